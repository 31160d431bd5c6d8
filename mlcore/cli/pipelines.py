"""``mlcore pipelines list|validate|schema``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from mlcore.cli.context import console, settings
from mlcore.config.loader import load_pipeline, pipeline_names
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import MlcoreError

pipelines = typer.Typer(help="Pipeline files.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(pipelines, name="pipelines")


@pipelines.command("list")
def list_pipelines() -> None:
    """The pipelines of this project."""
    folder = settings().pipelines
    table = Table("pipeline", "schedule", "owner", "what it predicts", box=None)
    for name in pipeline_names(folder):
        config = load_pipeline(folder / f"{name}.yaml")
        table.add_row(config.name, config.schedule, config.owner, config.description)
    console.print(table)


@pipelines.command()
def validate(names: Annotated[list[str] | None, typer.Argument(help="Pipelines; all by default.")] = None) -> None:
    """Check pipeline files key by key; exit code 1 when one is wrong."""
    from mlcore.runtime.checks import check_pipeline

    folder = settings().pipelines
    wrong = 0
    for name in names or pipeline_names(folder):
        try:
            check_pipeline(load_pipeline(folder / f"{name}.yaml"))
        except MlcoreError as error:
            wrong += 1
            console.print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(f"{name}: valid", markup=False, highlight=False)
    if wrong:
        raise typer.Exit(1)


@pipelines.command()
def schema() -> None:
    """The JSON Schema of a pipeline file, for editors."""
    typer.echo(json.dumps(PipelineConfig.model_json_schema(), indent=2))
