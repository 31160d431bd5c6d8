"""What became of runs, as one row each: for the command line, the demonstration and the UI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlcore.core.types import Artifact, ArtifactType, Execution, ExecutionState, Json
from mlcore.registry.names import CHAMPION
from mlcore.registry.records import AliasMove, MoveKind
from mlcore.runtime.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """One run: what a retraining or a monitoring came to, or what an inference run predicted.

    Attributes:
        state: COMPLETE, CACHED when nothing was computed, FAILED, also where anomalies stopped it, RUNNING or CANCELED.
        trained: First and last day of the training window; empty before there is a model.
        rows: Rows trained on, or predicted.
        metric: The first metric over all evaluation rows, with its interval.
        verdict: What the gates and the push came to; of a monitoring whether to retrain, and why.
        version: The registered version of the model, where it has one; of an inference run the one that predicted.
    """

    run: str
    state: ExecutionState
    trained: str = ""
    rows: int | None = None
    metric: str = ""
    verdict: str = ""
    version: int | None = None
    error: str = ""


def list_runs(session: Session, pipeline: str, *, limit: int = 20) -> tuple[RunRow, ...]:
    """The newest runs of a pipeline, newest first."""
    known = _known(session, pipeline)
    return tuple(_row(session, pipeline, one.run, known) for one in session.metadata.runs(pipeline, limit))


def find_run(session: Session, pipeline: str, run: str) -> RunRow:
    """One run that there is."""
    return _row(session, pipeline, run, _known(session, pipeline))


def _known(session: Session, pipeline: str) -> _Known:
    moves = session.registry.history(pipeline, CHAMPION)
    return _Known(
        versions={version.digest: version.version for version in session.registry.versions(pipeline)},
        promoted=frozenset(move.to_version for move in moves if move.to_version is not None),
        taken=_taken(moves),
        withheld={push.version: push.reason for push in session.registry.pushes(pipeline)},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """The registry's side.

    Attributes:
        versions: Version by model digest.
        promoted: Versions that were champion at some time.
        taken: Those among them that a person took the alias from, and that did not get it back.
        withheld: Why the newest push of a version was, where it was.
    """

    versions: Mapping[str, int]
    promoted: frozenset[int]
    taken: frozenset[int]
    withheld: Mapping[int, str]

    def verdict(self, version: int | None, of_the_gates: str) -> str:
        if version is None or of_the_gates != "blessed":
            return of_the_gates
        if version in self.taken:
            return "pushed, and rolled back"
        return "pushed" if version in self.promoted else f"blessed, {self.withheld.get(version, 'not pushed')}"


def _taken(moves: Sequence[AliasMove]) -> frozenset[int]:
    taken: set[int | None] = set()
    for move in moves:
        taken -= {move.to_version}
        if move.kind is MoveKind.ROLLBACK and move.from_version is not None:
            taken.add(move.from_version)
    return frozenset(version for version in taken if version is not None)


def _row(session: Session, pipeline: str, run: str, known: _Known) -> RunRow:
    executions = session.metadata.executions(pipeline, run)
    outputs = session.metadata.outputs_of([execution.id for execution in executions])
    made: dict[ArtifactType, Artifact] = {}
    predicted: dict[int, Artifact] = {}
    for execution in executions:
        for artifacts in outputs[execution.id].values():
            made.update({artifact.type: artifact for artifact in artifacts})
            predicted |= {one.id: one for one in artifacts if one.type is ArtifactType.PREDICTIONS}
    if predicted:
        return _predicted(run, executions, list(predicted.values()))
    if (report := made.get(ArtifactType.DRIFT_REPORT)) is not None:
        return RunRow(run=run, state=_state(executions), verdict=_decided(report), error=_error(executions))
    model = made.get(ArtifactType.MODEL)
    errors = _number(_properties(made.get(ArtifactType.ANOMALIES)).get("errors")) or 0
    if model is None and errors:
        said = f"{errors} anomal{'y' if errors == 1 else 'ies'} of severity ERROR stopped it before training"
        return RunRow(run=run, state=ExecutionState.FAILED, verdict=said, error=_error(executions))
    version = None if model is None else known.versions.get(model.digest)
    return RunRow(
        run=run,
        state=_state(executions),
        trained=_trained(_properties(model)),
        rows=_number(_properties(model).get("rows")),
        metric=str(_properties(made.get(ArtifactType.EVALUATION)).get("headline", "")),
        verdict=known.verdict(version, str(_properties(made.get(ArtifactType.PUSHED_MODEL)).get("verdict", ""))),
        version=version,
        error=_error(executions),
    )


def _decided(report: Artifact) -> str:
    """What a monitoring came to, with the first of its reasons."""
    reasons = report.properties.get("reasons")
    decision = "retrain" if report.properties.get("retrain") is True else "no retraining"
    return f"{decision}: {reasons[0]}" if isinstance(reasons, list) and reasons else decision


def _predicted(run: str, executions: tuple[Execution, ...], found: Sequence[Artifact]) -> RunRow:
    version = _number(found[-1].properties.get("model_version"))
    return RunRow(
        run=run,
        state=_state(executions),
        rows=sum(_number(one.properties.get("rows")) or 0 for one in found),
        verdict="predicted",
        version=version,
        error=_error(executions),
    )


def _error(executions: tuple[Execution, ...]) -> str:
    return next((execution.error.split("\n", 1)[0] for execution in reversed(executions) if execution.error), "")


def _state(executions: tuple[Execution, ...]) -> ExecutionState:
    """The state of a run by the newest execution of each of its nodes."""
    newest = {execution.origin.get("node", execution.component): execution.state for execution in executions}
    for state in (ExecutionState.FAILED, ExecutionState.CANCELED, ExecutionState.RUNNING, ExecutionState.COMPLETE):
        if state in newest.values():
            return state
    return ExecutionState.CACHED


def _trained(properties: Mapping[str, Json]) -> str:
    if "train_start" not in properties:
        return ""
    return f"{str(properties['train_start'])[:10]} to {str(properties['train_end'])[:10]}"


def _properties(artifact: Artifact | None) -> Mapping[str, Json]:
    return {} if artifact is None else artifact.properties


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) else None
