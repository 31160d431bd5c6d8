"""``mlcore runs show``: what became of each node of a run, and what its data had that it should not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlcore.cli.context import console, notes, session, settings
from mlcore.cli.output import print_json, printable
from mlcore.config.files import pipeline_file
from mlcore.core.types import ArtifactType, Execution, ExecutionState
from mlcore.core.window import iso
from mlcore.errors import MetadataError, quoted
from mlcore.runtime.history import find_run

if TYPE_CHECKING:
    from mlcore.core.types import Json
    from mlcore.runtime.session import Session
    from mlcore.schema.anomalies import Anomaly

_SHOWN = 20
_LONG = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """An execution of a node, with those of its spans.

    Attributes:
        spans: The executions that made a span of it anew; none where a node works on a whole window.
    """

    execution: Execution
    spans: tuple[Execution, ...] = ()

    @property
    def started_at(self) -> datetime:
        """When the first of its work began."""
        return min(each.started_at for each in (self.execution, *self.spans))

    @property
    def seconds(self) -> float | None:
        """From then on until its end, if it has ended."""
        ended = self.execution.finished_at
        return None if ended is None else (ended - self.started_at).total_seconds()


def show(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline: a file of config/pipelines.")],
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    spans: Annotated[bool, typer.Option("--spans", help="A line for the work on every span, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document on stdout: every execution.")] = False,
) -> None:
    """Every node of one run, what came of it, and the anomalies of its data."""
    pipeline_file(settings().pipelines, pipeline)
    with session() as stores:
        executions = stores.metadata.executions(pipeline, run)
        if not executions:
            raise MetadataError(
                f"there is no run {quoted(run)} of {pipeline}", next_step=f"see: mlcore runs list {pipeline}"
            )
        anomalies = _anomalies(stores, pipeline, run)
        found = find_run(stores, pipeline, run)
    if as_json:
        rows: list[Json] = [_document(each) for each in executions]
        print_json({"run": asdict(found), "executions": rows, "anomalies": [each.to_json() for each in anomalies]})
        return
    console.print(_table([Step(execution=each) for each in executions] if spans else list(steps(executions))))
    for name, value in (("trained on", found.trained), ("metric", found.metric), ("verdict", found.verdict)):
        if value:
            console.print(Text(f"{name}: {printable(value, _LONG)}"), soft_wrap=True)
    for anomaly in anomalies[:_SHOWN]:
        colour = "red" if anomaly.severity.value == "ERROR" else "yellow"
        console.print(Text(printable(anomaly, _LONG), style=colour), soft_wrap=True)
    if len(anomalies) > _SHOWN:
        notes.print(f"and {len(anomalies) - _SHOWN} more anomalies (--json shows all)", highlight=False)


def steps(executions: Iterable[Execution]) -> Iterable[Step]:
    """Executions in their order, with those that ended well of the spans of a node counted in the node's own.

    One of a span that did not end well stands for itself: it says why.
    """
    made: dict[str, list[Execution]] = {}
    for each in executions:
        of_a_span = each.fingerprint is not None and "node" not in each.origin
        if of_a_span and each.state is ExecutionState.COMPLETE:
            made.setdefault(each.component, []).append(each)
        else:
            yield Step(execution=each, spans=() if of_a_span else tuple(made.pop(each.component, ())))
    for left in made.values():  # the run ended, or goes on, before the node's own
        yield from (Step(execution=each) for each in left)


def _anomalies(stores: Session, pipeline: str, run: str) -> Sequence[Anomaly]:
    """What the run's data had that it should not, ERRORs first; nothing where its file is gone."""
    from mlcore.schema.anomalies import read_anomalies

    found = stores.metadata.find_artifacts(type=ArtifactType.ANOMALIES, pipeline=pipeline, run=run, limit=1)
    if not found:
        return ()
    stores.artifacts.verify(found[0])
    return sorted(read_anomalies(stores.artifacts.path(found[0].uri)), key=lambda each: each.severity.value)


def _table(rows: Iterable[Step]) -> Table:
    table = Table("execution", "component", "state", "started", "seconds", "spans made", "error", box=None)
    for step in rows:
        each, seconds = step.execution, step.seconds
        candidate = each.parameters.get("candidate")
        done = f"{each.component} of {candidate}" if candidate else each.component
        error = Text((each.error or "").split("\n", 1)[0], style="red")
        took = "" if seconds is None else f"{seconds:.1f}"
        made, started = str(len(step.spans) or ""), f"{step.started_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(each.id), Text(done), each.state.value, started, took, made, error)
    return table


def _document(each: Execution) -> dict[str, Any]:
    return {
        "id": each.id,
        "component": each.component,
        "node": each.origin.get("node"),
        "state": each.state.value,
        "started_at": iso(each.started_at),
        "finished_at": None if each.finished_at is None else iso(each.finished_at),
        "error": each.error,
        "fingerprint": each.fingerprint,
    }
