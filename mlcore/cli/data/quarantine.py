"""``mlcore data quarantine``: the rows that are no examples, as they were stored beside them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, session
from mlcore.cli.data import data
from mlcore.cli.output import print_json
from mlcore.core.types import Artifact, ArtifactType

_SHOWN = 100


@data.command()
def quarantine(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    span: Annotated[str | None, typer.Option(help="Only of this span, for instance 2013-01-02.")] = None,
    run: Annotated[str | None, typer.Option(help="Only of the spans that this run read.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All rows as a JSON list on stdout.")] = False,
) -> None:
    """Show the rows that are in quarantine: file, line, reason and what stands there."""
    from mlcore.ingest.quarantine import read_quarantine
    from mlcore.runtime.sources.extracts import undated_folder

    rows: list[dict[str, Any]] = []
    with session() as opened:
        found = opened.metadata.find_artifacts(type=ArtifactType.EXAMPLES, pipeline=pipeline, run=run, limit=100_000)
        for artifact in _newest(found, span):
            if artifact.properties.get("quarantined"):
                label = artifact.span.label if artifact.span else ""
                bad = read_quarantine(opened.artifacts.path(artifact.uri))
                rows += [{"span": label, **asdict(row), "reason": row.reason.value} for row in bad]
        if span is None and run is None:
            bad = read_quarantine(undated_folder(opened, pipeline))
            rows += [{"span": "", **asdict(row), "reason": row.reason.value} for row in bad]
    if as_json:
        print_json(rows)
    else:
        _show(pipeline, rows)


def _newest(artifacts: tuple[Artifact, ...], label: str | None) -> list[Artifact]:
    """The newest of each span, in the order of the spans."""
    newest: dict[str, Artifact] = {}
    for artifact in artifacts:  # newest first
        if artifact.span is not None and label in (None, artifact.span.label):
            newest.setdefault(artifact.span.label, artifact)
    return [newest[key] for key in sorted(newest)]


def _show(pipeline: str, rows: list[dict[str, Any]]) -> None:
    """A table for people: all from the data is shown as plain text."""
    if not rows:
        console.print(Text(f"{pipeline}: no row is in quarantine"))
        return
    table = Table("span", "where", "reason", "why", "row", title=f"{len(rows)} rows in quarantine", box=None)
    for row in rows[:_SHOWN]:
        where = f"{row['file']}:{row['line']}" if row["line"] else row["file"]
        cells = (row["span"], where, row["reason"], row["message"], repr(row["text"])[1:-1][:80])
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(Text(f"and {len(rows) - _SHOWN} more: --json shows all"))
