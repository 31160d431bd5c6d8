"""``mlcore models list|show|history|lineage|promote|rollback|pin|unpin``."""

from __future__ import annotations

import getpass
import socket
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli import models_reproduce
from mlcore.cli.context import console, notes, session, settings
from mlcore.config.loader import find_pipeline
from mlcore.core.types import Json
from mlcore.core.window import iso
from mlcore.errors import MetadataError, NoChampion
from mlcore.registry.records import ModelVersion
from mlcore.runtime.session import Session

models = typer.Typer(help="Registered models and the champion's history.", no_args_is_help=True)

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.")]
Version = Annotated[int, typer.Argument(help="Number of the model version.", min=1)]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]

models.command()(models_reproduce.reproduce)


def register(app: typer.Typer) -> None:
    app.add_typer(models, name="models")


@models.command("list")
def list_models(pipeline: PipelineName) -> None:
    """Every version of a pipeline's model; the champion is marked."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        versions = stores.registry.versions(pipeline)
        champion = stores.registry.champion(pipeline)
        pin = stores.registry.pinned(pipeline)
    if not versions:
        notes.print(f"no model of {pipeline} was pushed yet", highlight=False)
        return
    table = Table("version", "alias", "trained on", "digest", "run", box=None)
    for version in versions:
        alias = "champion" if champion is not None and champion.version == version.version else ""
        if pin is not None and pin.version == version.version:
            alias += ", pinned"
        trained = f"{version.train_start:%Y-%m-%d} to {version.train_end:%Y-%m-%d}"
        table.add_row(str(version.version), alias, trained, version.digest[:19], version.run)
    console.print(table)


@models.command()
def history(pipeline: PipelineName) -> None:
    """Every move of the champion alias: when, by which run, from, to and why."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        moves = stores.registry.history(pipeline)
    table = Table("when", "alias", "from", "to", "by", "why", box=None)
    for move in moves:
        before = "" if move.from_version is None else str(move.from_version)
        table.add_row(iso(move.moved_at), move.alias, before, str(move.to_version), move.actor, move.reason)
    console.print(table)


@models.command()
def show(
    pipeline: PipelineName,
    version: Annotated[int | None, typer.Option(help="Model version; the champion by default.")] = None,
) -> None:
    """One version: window, rows, metric, digest, and what became of its pushes."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        found = _version(stores, pipeline, version)
        model, evaluation = stores.metadata.artifacts([found.artifact_id, found.evaluation_id])
        champion = stores.registry.champion(pipeline)
        pushes = [push for push in stores.registry.pushes(pipeline) if push.version == found.version]
        place = stores.artifacts.path(model.uri)
        locked = models_reproduce.environment_lines(stores, found.artifact_id)
    table = Table(box=None, show_header=False)
    lines: dict[str, Json] = {
        "version": found.version,
        "alias": "champion" if champion is not None and champion.version == found.version else "",
        "trained on": f"{found.train_start:%Y-%m-%d} to {found.train_end:%Y-%m-%d}",
        "rows": model.properties.get("rows"),
        "evaluated up to": f"{found.window_end:%Y-%m-%d}",
        "metric": evaluation.properties.get("headline"),
        "run": found.run,
        "digest": found.digest,
        "files": str(place),
        **locked,
    }
    for name, value in lines.items():
        table.add_row(name, Text(f"{value:,}" if isinstance(value, int) else str(value or "")))
    for push in pushes:
        table.add_row("push", Text(f"{iso(push.pushed_at)} {push.outcome.value}: {push.reason} ({push.run})"))
    console.print(table)


@models.command()
def rollback(
    pipeline: PipelineName,
    to: Annotated[int | None, typer.Option(help="An earlier champion; by default the one before.", min=1)] = None,
    reason: Reason = "rolled back by hand",
) -> None:
    """Make the previous champion the champion again, at once; what is rolled back from does not return by itself."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        before, after = stores.registry.rollback(pipeline, to, actor=_actor(), reason=reason)
    _moved(pipeline, before, after)


@models.command()
def promote(
    pipeline: PipelineName, version: Version, reason: Annotated[str, typer.Option(help="Why, for the history.")]
) -> None:
    """Make a registered version the champion by name, also over one that was trained on newer data."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        before, after = stores.registry.promote(pipeline, version, actor=_actor(), reason=reason)
    _moved(pipeline, before, after)


@models.command()
def pin(pipeline: PipelineName, reason: Annotated[str, typer.Option(help="Why, for the history.")]) -> None:
    """Keep the champion where it is: runs go on, their pushes are recorded and withheld."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        made = stores.registry.pin(pipeline, actor=_actor(), reason=reason)
    console.print(f"version {made.version} of {pipeline} stays champion until: mlcore models unpin {pipeline}")


@models.command()
def unpin(pipeline: PipelineName, reason: Reason = "unpinned by hand") -> None:
    """Let the champion be replaced again; the next push may do so."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        was = stores.registry.unpin(pipeline, actor=_actor(), reason=reason)
    console.print(f"version {was.version} of {pipeline} is no longer pinned")


@models.command()
def lineage(
    pipeline: PipelineName,
    version: Annotated[int | None, typer.Option(help="Model version; the champion by default.")] = None,
) -> None:
    """Every artifact a model was made from, down to the source files."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        model = _version(stores, pipeline, version)
        nodes = stores.metadata.lineage(model.artifact_id, "up")
    table = Table("depth", "artifact", "type", "span", "uri", box=None)
    for node in nodes:
        span = node.artifact.span.label if node.artifact.span else ""
        table.add_row(str(node.depth), str(node.artifact.id), node.artifact.type.value, span, node.artifact.uri)
    console.print(table)


def _version(stores: Session, pipeline: str, number: int | None) -> ModelVersion:
    """One version; the champion where none is named."""
    if number is None:
        champion = stores.registry.champion(pipeline)
        if champion is None:
            raise NoChampion(f"{pipeline} has no champion", next_step=f"train one: mlcore run {pipeline} --at <moment>")
        return champion
    for version in stores.registry.versions(pipeline):
        if version.version == number:
            return version
    raise MetadataError(f"there is no version {number} of {pipeline}", next_step=f"see: mlcore models list {pipeline}")


def _moved(pipeline: str, before: ModelVersion | None, after: ModelVersion) -> None:
    was = "none" if before is None else f"version {before.version}"
    trained = f"trained on {after.train_start:%Y-%m-%d} to {after.train_end:%Y-%m-%d}"
    console.print(f"champion of {pipeline}: version {after.version} ({trained}), was {was}", highlight=False)


def _actor() -> str:
    """Who moves it, as the history names them."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
