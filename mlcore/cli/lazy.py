"""A group of commands, each of whose files is imported when its command is asked for.

A rollback is to take less than a second: it must not wait for what other commands import.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class LazyGroup(TyperGroup):
    """Commands that are there by name.

    Attributes:
        modules: The module whose ``register`` adds each command, in the order in which help lists them.
    """

    modules: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, whether it was imported or not."""
        del ctx
        return list(self.modules)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, from its file; ``None`` where there is none of that name."""
        del ctx
        if cmd_name not in self.commands and cmd_name in self.modules:
            self.commands.update(registered(self.modules[cmd_name]))
        return self.commands.get(cmd_name)


def registered(module: str) -> dict[str, Any]:
    """What a module registers, by name."""
    found = typer.Typer(add_completion=False)
    found.callback()(_nothing)  # which makes it a group, however many commands it has
    with importing():
        import_module(module).register(found)
    return dict(typer.main.get_group(found).commands)


def _nothing() -> None:
    """The group's own callback is the whole command line's."""


@contextmanager
def importing() -> Iterator[None]:
    """For imports that somebody waits for: what they make is there to stay, and no collector looks at it."""
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        gc.enable()
