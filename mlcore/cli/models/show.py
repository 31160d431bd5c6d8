"""``mlcore models list|show|history|lineage``: what is registered, where the aliases are, and how they came there."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.models.reproduce import environment_lines
from mlcore.cli.output import print_json
from mlcore.config.files import pipeline_file
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.core.types import Json
    from mlcore.registry.records import ModelVersion
    from mlcore.runtime.session import Session

PipelineName = Annotated[str, typer.Argument(help="Name of the pipeline.")]
Which = Annotated[str, typer.Option("--version", help="Number of a version, or an alias.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def register(models: typer.Typer) -> None:
    models.command("list")(list_models)
    for command in (history, show, lineage):
        models.command()(command)


def list_models(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Every version of a pipeline's model, with its aliases."""
    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        versions = stores.registry.versions(pipeline)
        marks = _marks(stores, pipeline)
        gone = _gone(stores, versions)
    if as_json:
        print_json([{**asdict(one), "marks": marks.get(one.version, []), "files": one not in gone} for one in versions])
        return
    if not versions:
        notes.print(f"no model of {pipeline} was pushed yet", highlight=False)
        return
    table = Table("version", "alias", "trained on", "digest", "run", box=None)
    for one in versions:
        trained = f"{one.train_start:%Y-%m-%d} to {one.train_end:%Y-%m-%d}"
        marked = ", ".join([*marks.get(one.version, []), *(["files removed"] if one in gone else [])])
        table.add_row(str(one.version), marked, trained, one.digest[:19], Text(one.run))
    console.print(table)


def _marks(stores: Session, pipeline: str) -> dict[int, list[str]]:
    """What there is to say of each version: its aliases, a pin, that it waits for approval."""
    found: dict[int, list[str]] = {}
    for name, version in stores.registry.aliases(pipeline).items():
        found.setdefault(version, []).append(name)
    pin = stores.registry.pinned(pipeline)
    if pin is not None:
        found.setdefault(pin.version, []).append("pinned")
    for pending in stores.registry.pending(pipeline):
        found.setdefault(pending.version, []).append("awaiting approval")
    return found


def _gone(stores: Session, versions: tuple[ModelVersion, ...]) -> list[ModelVersion]:
    from mlcore.core.types import ArtifactState

    present = stores.metadata.present([one.artifact_id for one in versions])
    return [one for one, model in zip(versions, present, strict=True) if model.state is not ArtifactState.LIVE]


def history(
    pipeline: PipelineName,
    name: Annotated[str | None, typer.Option("--alias", help="Only the moves of this alias.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every move of an alias, pin and approval: when, who or which run, from, to, why, on what evidence."""
    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        entries = _entries(stores, pipeline, name)
    if as_json:
        print_json(entries)
        return
    table = Table("when", "what", "from", "to", "by", "why", box=None)
    for entry in entries:
        before, after = (str(entry[key] or "") for key in ("from", "to"))
        what = " ".join(str(entry[key]) for key in ("alias", "kind") if entry.get(key))
        table.add_row(iso(entry["at"]), what, before, after, Text(entry["by"]), Text(entry["why"]))
    console.print(table)


def _entries(stores: Session, pipeline: str, name: str | None) -> list[dict[str, Any]]:
    moves: list[dict[str, Any]] = [
        {
            "at": move.moved_at, "alias": move.alias, "kind": move.kind.value, "from": move.from_version,
            "to": move.to_version, "by": move.actor, "why": move.reason, "evidence": dict(move.evidence),
        }
        for move in stores.registry.history(pipeline, name)
    ]  # fmt: skip
    if name is not None:
        return moves
    numbers = {one.digest: one.version for one in stores.registry.versions(pipeline)}
    pins, approvals = [], []
    for pin in stores.registry.pins(pipeline):
        kind = "UNPINNED" if pin.version is None else "PINNED"
        pins.append({"at": pin.pinned_at, "kind": kind, "from": None, "to": pin.version} | _by(pin.actor, pin.reason))
    for said in stores.registry.approvals(pipeline):
        entry = {"at": said.said_at, "kind": f"approval {said.verdict.value}", "from": None}
        evidence: dict[str, Json] = {"model": said.digest, "blessing": said.artifact_id}
        approvals.append(
            {**entry, "to": numbers.get(said.digest), **_by(said.actor, said.reason), "evidence": evidence}
        )
    return _in_order(moves, pins, approvals)


def _in_order(*tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of each table in the order in which they were appended, whatever the clock said; between tables by time."""
    placed: list[tuple[datetime, dict[str, Any]]] = []
    for entries in tables:
        placed += zip(accumulate((entry["at"] for entry in entries), max), entries, strict=True)
    return [entry for _, entry in sorted(placed, key=itemgetter(0))]


def _by(actor: str, reason: str) -> dict[str, Any]:
    return {"by": actor, "why": reason, "evidence": {}}


def show(pipeline: PipelineName, version: Which = "champion", as_json: AsJson = False) -> None:
    """One version: window, rows, metric, digest, aliases, approval, and what became of its pushes."""
    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        found = stores.registry.find(pipeline, version)
        model, evaluation = stores.metadata.present([found.artifact_id, found.evaluation_id])
        marks = _marks(stores, pipeline).get(found.version, [])
        said = [one for one in stores.registry.approvals(pipeline) if one.digest == found.digest]
        pushes = [push for push in stores.registry.pushes(pipeline) if push.version == found.version]
        place = stores.artifacts.path(model.uri)
        locked = environment_lines(stores, found)
    lines: dict[str, Json] = {
        "version": found.version,
        "alias": ", ".join(marks),
        "trained on": f"{found.train_start:%Y-%m-%d} to {found.train_end:%Y-%m-%d}",
        "rows": model.properties.get("rows"),
        "evaluated up to": f"{found.window_end:%Y-%m-%d}",
        "metric": evaluation.properties.get("headline"),
        "run": found.run,
        "digest": found.digest,
        "files": str(place) if model.state.value == "LIVE" else f"removed ({model.state.value})",
        **locked,
    }
    if as_json:
        more = {"approvals": [asdict(one) for one in said], "pushes": [asdict(one) for one in pushes], "marks": marks}
        described = {"rows": lines["rows"], "metric": lines["metric"], "files": lines["files"], "environment": locked}
        print_json({**asdict(found), **described, **more})
        return
    table = Table(box=None, show_header=False)
    for name, value in lines.items():
        table.add_row(name, Text(f"{value:,}" if isinstance(value, int) else str(value or "")))
    for one in said:
        table.add_row("approval", Text(f"{iso(one.said_at)} {one.verdict.value}: {one.reason} ({one.actor})"))
    for push in pushes:
        table.add_row("push", Text(f"{iso(push.pushed_at)} {push.outcome.value}: {push.reason} ({push.run})"))
    console.print(table)


def lineage(pipeline: PipelineName, version: Which = "champion", as_json: AsJson = False) -> None:
    """Every artifact a model was made from, down to the source files."""
    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        model = stores.registry.find(pipeline, version)
        nodes = stores.metadata.lineage(model.artifact_id, "up")
    if as_json:
        print_json(
            [
                {
                    "depth": node.depth,
                    "id": node.artifact.id,
                    "type": node.artifact.type.value,
                    "span": node.artifact.span.label if node.artifact.span else None,
                    "uri": node.artifact.uri,
                    "digest": node.artifact.digest,
                    "state": node.artifact.state.value,
                }
                for node in nodes
            ]
        )
        return
    table = Table("depth", "artifact", "type", "span", "uri", box=None)
    for node in nodes:
        span = node.artifact.span.label if node.artifact.span else ""
        table.add_row(str(node.depth), str(node.artifact.id), node.artifact.type.value, span, Text(node.artifact.uri))
    console.print(table)
