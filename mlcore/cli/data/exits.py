"""How a one-shot command ends that could not do what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console

from mlcore.errors import MlcoreError

COULD_NOT = 2
"""Never 1, which is an answer: anomalies, a difference."""


def give_up(message: str) -> NoReturn:
    """End the command: say why on stderr, and exit with :data:`COULD_NOT`."""
    Console(stderr=True, soft_wrap=True).print(f"error: {message}", style="red", markup=False, highlight=False)
    raise typer.Exit(COULD_NOT)


@contextmanager
def answering() -> Iterator[None]:
    """Around what may fail: an ``MlcoreError`` ends the command with :data:`COULD_NOT`."""
    try:
        yield
    except MlcoreError as error:
        give_up(str(error))
