"""The ``mlcore`` command: noun, then verb; one file a noun."""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

import mlcore
from mlcore.cli.lazy import LazyGroup
from mlcore.cli.utf8 import ensure_utf8
from mlcore.errors import REFUSALS, MlcoreError, system_refused
from mlcore.runtime.logs import ContextFormatter

_LOGGED = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_TOLD = "%(levelname)s: %(message)s"
"""Of what somebody reads as it happens: the moment and the module would hide what is said."""


class Commands(LazyGroup):
    """Every noun, and the verbs that need none."""

    modules = {
        "run": "mlcore.cli.runs",
        "monitor": "mlcore.cli.runs",
        "infer": "mlcore.cli.runs",
        "runs": "mlcore.cli.runs",
        "predict": "mlcore.cli.predict",
        "serve": "mlcore.cli.serve",
        "pipelines": "mlcore.cli.pipelines",
        "models": "mlcore.cli.models",
        "data": "mlcore.cli.data",
        "schema": "mlcore.cli.schema",
        "transform": "mlcore.cli.transform",
        "evaluate": "mlcore.cli.evaluate",
        "mlflow": "mlcore.cli.mlflow",
        "lineage": "mlcore.cli.lineage",
        "gc": "mlcore.cli.gc",
        "db": "mlcore.cli.db",
        "up": "mlcore.cli.platform",
        "down": "mlcore.cli.platform",
        "status": "mlcore.cli.platform",
        "logs": "mlcore.cli.platform",
        "doctor": "mlcore.cli.platform",
        "airflow": "mlcore.cli.platform",
        "demo": "mlcore.cli.demo",
    }


app = typer.Typer(
    name="mlcore",
    help="Keep batch-retrained models fresh: windows, gates, drift and release.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=Commands,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mlcore {mlcore.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what each step logs.")] = False,
) -> None:
    """Keep batch-retrained models fresh: windows, gates, drift and release."""
    del version
    handler = logging.StreamHandler()
    handler.setFormatter(ContextFormatter(_LOGGED if verbose else _TOLD))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])  # libraries warn of what no user can change
    logging.getLogger("mlcore").setLevel(logging.INFO if verbose else logging.WARNING)


def run() -> None:
    """Entry point: every ``MlcoreError`` becomes a message and its exit code; nothing ends with a traceback."""
    ensure_utf8()
    try:
        app()
    except MlcoreError as error:
        _end(error)
    except OSError as error:
        _end(system_refused(error) if error.errno in REFUSALS else _unforeseen(error))
    except Exception as error:
        _end(_unforeseen(error))


def _unforeseen(error: Exception) -> MlcoreError:
    from mlcore.cli.broken import unforeseen  # what goes well waits for nothing

    return unforeseen(error)


def _end(error: MlcoreError) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"error: {error}", style="red", markup=False, highlight=False)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
