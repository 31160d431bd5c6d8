"""``mlcore models publish``: what follows the registry brought level with it, or proved equal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.cli.context import console, notes, session, settings
from mlcore.errors import ConfigError, DestinationError, MlcoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.runtime.release.following import Followed
    from mlcore.runtime.session import Session


def register(models: typer.Typer) -> None:
    models.command()(publish)


def publish(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing: tell every difference.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Replace what another registry, or a lost future of this one, left.")
    ] = False,
) -> None:
    """Bring push destinations, and MLflow where it mirrors, level with the registry; may be repeated at any time."""
    from mlcore.config.loader import find_pipeline

    config = find_pipeline(settings().pipelines, pipeline)
    mirrored = config.tracking is not None and config.tracking.mlflow is not None
    if not config.push.destinations and not mirrored:
        raise ConfigError(
            f"nothing follows the registry's aliases of {pipeline}",
            where="push.destinations",
            next_step="write push: {destinations: [{type: folder, url: ...}]} into the pipeline's file",
        )
    from mlcore.runtime.release import following

    with session() as stores:
        found = following.check(stores, config) if check else following.level(stores, config, take_over=take_over)
    for one in found:
        console.print(f"{one.place}: {one.error or one.said}", markup=False, highlight=False, soft_wrap=True)
    behind = [one.place for one in found if one.error]
    if mirrored and (error := _mirror(pipeline, check=check)):
        console.print(f"mlflow: {error}", markup=False, highlight=False, soft_wrap=True)
        behind.append("mlflow")
    if behind:
        raise DestinationError(
            f"{len(behind)} of {len(found) + mirrored} places are not level with the registry: {', '.join(behind)}",
            where=f"pipeline {pipeline}",
            next_step="do what is said of each above, then: mlcore models publish " + pipeline,
        )


def _mirror(pipeline: str, *, check: bool) -> str:
    """``mlcore mlflow sync``; returns what went wrong."""
    from mlcore.cli.mlflow import sync

    try:
        sync(pipeline, check=check, at_most=None)
    except MlcoreError as error:
        return str(error)
    return ""


def publish_after(path: Path, stores: Session) -> None:
    """Bring the destinations of a pipeline's file level with what a command committed; a failure is a warning.

    Where the file names none it is not even parsed: one that is wrong keeps nobody from moving an alias.
    """
    if b"destinations" not in path.read_bytes():
        return
    from mlcore.config.loader import load_pipeline
    from mlcore.runtime.release.following import level

    try:
        config = load_pipeline(path)
    except ConfigError as error:
        notes.print(f"done, and not published: {error}", markup=False, highlight=False, soft_wrap=True)
        return
    _tell(config.name, level(stores, config))


def _tell(pipeline: str, found: Sequence[Followed]) -> None:
    for one in found:
        if one.error:
            text = f"done, and {one.place} is not level yet: {one.error}\n  again: mlcore models publish {pipeline}"
            notes.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
