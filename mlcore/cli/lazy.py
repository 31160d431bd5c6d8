"""The top of the command line, which imports a noun's file when that noun is asked for.

A rollback is to take less than a second: it must not wait for what other commands import.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "run": "runs",
    "monitor": "runs",
    "infer": "runs",
    "runs": "runs",
    "predict": "predict",
    "serve": "serve",
    "pipelines": "pipelines",
    "models": "models",
    "data": "data",
    "schema": "schema",
    "transform": "transform",
    "evaluate": "evaluate",
    "mlflow": "mlflow",
    "lineage": "lineage",
    "gc": "gc",
    "db": "db",
    "up": "platform",
    "down": "platform",
    "status": "platform",
    "logs": "platform",
    "doctor": "platform",
    "airflow": "platform",
    "demo": "demo",
}
"""The module of ``mlcore.cli`` whose ``register`` adds each command, in the order in which help lists them."""


class LazyGroup(TyperGroup):
    """Commands that are there by name, and imported when one is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, whether it was imported or not."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, from its file; ``None`` where there is none of that name."""
        del ctx
        if cmd_name not in self.commands and cmd_name in COMMANDS:
            self.commands.update(registered(COMMANDS[cmd_name]))
        return self.commands.get(cmd_name)


def registered(module: str) -> dict[str, Any]:
    """What a module of ``mlcore.cli`` registers, by name."""
    found = typer.Typer(add_completion=False)
    found.callback()(_nothing)  # which makes it a group, however many commands it has
    import_module(f"mlcore.cli.{module}").register(found)
    return dict(typer.main.get_group(found).commands)


def _nothing() -> None:
    """The group's own callback is the whole command line's."""
