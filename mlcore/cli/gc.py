"""``mlcore gc``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from mlcore.cli.context import console, notes, session


def register(app: typer.Typer) -> None:
    app.command()(gc)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, remove nothing.")] = False,
) -> None:
    """Remove files that no recorded output owns: what killed runs left behind."""
    from mlcore.runtime.gc import collect

    with session() as stores:
        garbage = collect(stores.artifacts, stores.metadata, dry_run=dry_run, scratch=stores.scratch)
    if not garbage:
        notes.print("nothing to collect")
        return
    table = Table("removed" if not dry_run else "would remove", "bytes", "why", box=None)
    for item in garbage:
        table.add_row(item.uri, str(item.size_bytes), item.reason)
    console.print(table)
