"""``mlcore data``: look at data, with or without a pipeline; one file a verb."""

from __future__ import annotations

import typer

data = typer.Typer(help="Statistics, comparisons, checks and quarantine of data.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    # Importing a verb's file makes it known.
    from mlcore.cli.data import compare, quarantine, stats, validate  # noqa: F401

    app.add_typer(data, name="data")
