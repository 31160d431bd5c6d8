"""``mlcore pipelines list|validate|schema``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import configs, console, settings
from mlcore.cli.output import print_json
from mlcore.config.files import pipeline_file
from mlcore.config.loader import load_pipeline, pipeline_names
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import ConfigError, MlcoreError

pipelines = typer.Typer(help="Pipeline files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(pipelines, name="pipelines")


@pipelines.command("list")
def list_pipelines() -> None:
    """The pipelines of this project; a file that is wrong is named, and hides no other."""
    _names()
    table = Table("pipeline", "schedule", "owner", "what it predicts", box=None)
    for config in configs(None):
        table.add_row(*map(Text, (config.name, config.schedule, config.owner, config.description)))
    console.print(table)


@pipelines.command()
def validate(names: Annotated[list[str] | None, typer.Argument(help="Pipelines; all by default.")] = None) -> None:
    """Check pipeline files key by key; exit code 1 when one is wrong."""
    from mlcore.runtime.checks import check_pipeline

    folder = settings().pipelines
    wrong = 0
    for name in names or _names():
        try:
            check_pipeline(load_pipeline(pipeline_file(folder, name)))
        except MlcoreError as error:
            wrong += 1
            console.print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(f"{name}: valid", markup=False, highlight=False)
    if wrong:
        raise typer.Exit(1)


def _names() -> tuple[str, ...]:
    """The pipelines of this project: that there are none is what a command from another folder finds."""
    folder = settings().pipelines
    names = pipeline_names(folder)
    if not names:
        raise ConfigError(
            "there are no pipelines here",
            where=str(folder),
            next_step="run from the project folder, or set MLCORE_PROJECT; a pipeline is a file <name>.yaml there",
        )
    return names


@pipelines.command()
def schema() -> None:
    """The JSON Schema of a pipeline file, for editors."""
    print_json(PipelineConfig.model_json_schema())
