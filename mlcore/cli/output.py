"""What every command prints by: texts from data made harmless, JSON for programs, pages written whole."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

import typer

from mlcore.cli.context import notes
from mlcore.core.window import iso
from mlcore.errors import DataError

_MOST = 40


def printable(text: object, most: int = _MOST) -> str:
    """A text of one line that cannot steer a terminal.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    shown = "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in str(text)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def print_json(document: object) -> None:
    """A JSON document for programs, on standard output; moments are ISO 8601."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_written))


def _written(value: object) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


def write_page(path: Path, content: str) -> None:
    """Write a page whole, or not at all.

    Raises:
        DataError: It cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".html", delete=False) as file:
            file.write(content)
        readable = 0o666 & ~_umask()
        Path(file.name).chmod(readable)
        Path(file.name).replace(path)
    except OSError as error:
        raise DataError(
            f"the page cannot be written: {error.strerror or error}",
            where=str(path),
            next_step="give --html a file in a folder that may be written",
        ) from error
    notes.print(f"wrote {path} ({len(content.encode()) / 1e3:,.0f} kB)", highlight=False, markup=False, soft_wrap=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
