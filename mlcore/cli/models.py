"""``mlcore models list|history|lineage``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from mlcore.cli.context import console, notes, session, settings
from mlcore.config.loader import find_pipeline
from mlcore.core.window import iso
from mlcore.errors import NoChampion

models = typer.Typer(help="Registered models and the champion's history.", no_args_is_help=True)

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.")]


def register(app: typer.Typer) -> None:
    app.add_typer(models, name="models")


@models.command("list")
def list_models(pipeline: PipelineName) -> None:
    """Every version of a pipeline's model; the champion is marked."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        versions = stores.registry.versions(pipeline)
        champion = stores.registry.champion(pipeline)
    if not versions:
        notes.print(f"no model of {pipeline} was pushed yet", highlight=False)
        return
    table = Table("version", "alias", "trained on", "digest", "run", box=None)
    for version in versions:
        alias = "champion" if champion is not None and champion.version == version.version else ""
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
def lineage(
    pipeline: PipelineName,
    version: Annotated[int | None, typer.Option(help="Model version; the champion by default.")] = None,
) -> None:
    """Every artifact a model was made from, down to the source files."""
    find_pipeline(settings().pipelines, pipeline)
    with session() as stores:
        versions = {found.version: found for found in stores.registry.versions(pipeline)}
        model = stores.registry.champion(pipeline) if version is None else versions.get(version)
        if model is None:
            raise NoChampion(f"{pipeline} has no {'champion' if version is None else f'version {version}'}")
        nodes = stores.metadata.lineage(model.artifact_id, "up")
    table = Table("depth", "artifact", "type", "span", "uri", box=None)
    for node in nodes:
        span = node.artifact.span.label if node.artifact.span else ""
        table.add_row(str(node.depth), str(node.artifact.id), node.artifact.type.value, span, node.artifact.uri)
    console.print(table)
