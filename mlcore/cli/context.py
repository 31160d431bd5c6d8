"""What every command starts from: the settings, and the stores they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from mlcore.cli.lazy import importing
from mlcore.config.settings import Settings
from mlcore.errors import ConfigError

if TYPE_CHECKING:
    from mlcore.config.pipeline import PipelineConfig
    from mlcore.runtime.session import Session

_PIPED_WIDTH = 160
console = Console()
if not console.is_terminal and "COLUMNS" not in os.environ:
    console = Console(width=_PIPED_WIDTH)
notes = Console(stderr=True)


def settings() -> Settings:
    """The settings of this installation: the command line's only reading of the environment."""
    return Settings.from_environ(os.environ)


def configs(pipeline: str | None) -> Iterator[PipelineConfig]:
    """The pipeline named, or all; a broken file hides no other."""
    from mlcore.config.loader import find_pipeline, load_pipeline, pipeline_names

    folder = settings().pipelines
    if pipeline is not None:
        yield find_pipeline(folder, pipeline)
        return
    for name in pipeline_names(folder):
        try:
            yield load_pipeline(folder / f"{name}.yaml")
        except ConfigError as error:
            notes.print(f"left out: {error.what}", style="yellow", markup=False, highlight=False)


@contextmanager
def session() -> Iterator[Session]:
    """The stores; an embedded PostgreSQL is started for the command where none is named and none runs."""
    with importing():
        from mlcore.metadata.store import migrate
        from mlcore.platform.postgres import ensure_database
        from mlcore.runtime.session import open_session

    found = settings()
    with ensure_database(found) as url:
        migrate(url)
        with open_session(replace(found, database_url=url)) as opened:
            yield opened
