"""``mlcore gc``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json

if TYPE_CHECKING:
    from mlcore.runtime.gc import Garbage
    from mlcore.runtime.session import Session

_SHOWN = 50


def register(app: typer.Typer) -> None:
    app.command()(gc)


def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it. Without this, only show what would go.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show, whatever else is said.")] = False,
    pipeline: Annotated[str | None, typer.Option(help="Apply the retention of this pipeline alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what can be removed, or with --yes remove it: outputs that nothing needs and that `retention` does not keep.

    Also what killed runs left behind, and blocks of merged spans that nobody will ask for.
    """
    removing = yes and not dry_run
    with session() as stores:
        garbage = _collect(stores, pipeline, dry_run=not removing)
    total = sum(item.size_bytes for item in garbage)
    if as_json:
        found = [asdict(item) for item in garbage]
        print_json({"removed": removing, "bytes": total, "found": found})
        return
    if not garbage:
        notes.print("nothing to collect")
        return
    table = Table("removed" if removing else "would remove", "bytes", "why", box=None)
    for item in garbage[:_SHOWN]:
        table.add_row(Text(item.uri), f"{item.size_bytes:,}", item.reason)
    console.print(table)
    more = f", {len(garbage) - _SHOWN} not shown (--json shows all)" if len(garbage) > _SHOWN else ""
    console.print(f"{len(garbage)} folders and files, {total:,} bytes{more}", highlight=False)
    if not removing:
        notes.print("nothing was removed: mlcore gc --yes does that", highlight=False)


def _collect(stores: Session, pipeline: str | None, *, dry_run: bool) -> list[Garbage]:
    from mlcore.runtime.gc import collect
    from mlcore.runtime.retention import expire_all

    policies = settings().pipelines
    return [
        *expire_all(stores.artifacts, stores.metadata, policies, only=pipeline, dry_run=dry_run),
        *collect(stores.artifacts, stores.metadata, dry_run=dry_run, scratch=stores.scratch, working=stores.working),
    ]
