"""A run's executions and artifacts to what a tracking server should hold of it.

One run is one entry; where it trained several candidates, each of those is one more below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlcore.core.digests import canonical_json, digest_json
from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, ExecutionState, GraphKind, Json
from mlcore.core.window import iso
from mlcore.tracking.metrics import metrics_of, metrics_of_candidate
from mlcore.tracking.records import (
    RunStatus,
    TrackedDataset,
    TrackedMetric,
    TrackedRun,
    milliseconds,
)

FORMAT = 1
"""Of the mapping itself: with another number everything is written anew."""
TRAINER = "Trainer"
ENDS = ("Pusher", "DriftMonitor")
SHOWN = frozenset(
    {
        ArtifactType.SCHEMA,
        ArtifactType.ANOMALIES,
        ArtifactType.TRANSFORM_GRAPH,
        ArtifactType.HYPER_PARAMETERS,
        ArtifactType.SELECTION,
        ArtifactType.ENVIRONMENT,
        ArtifactType.EVALUATION,
        ArtifactType.BLESSING,
        ArtifactType.PUSHED_MODEL,
        ArtifactType.DRIFT_REPORT,
    }
)
"""The types of artifacts whose files are mirrored: what says something of a run and holds no rows. Models are
registered, each once."""
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
PARAM_LIMIT = 6000
TAG_LIMIT = 5000
_DIGEST_LIMIT = 36
Outputs = Mapping[str, Sequence[Artifact]]
FolderOf = Callable[[Artifact], Path]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """All that is recorded of one run, and where its files are.

    Attributes:
        executions: Newest of each node, and those without a node that did not end well, in the order they began.
        outputs: By execution and output name.
        inputs: Likewise.
        version: The registered version of the model that went to the gates, where it has one.
        folder: The place of an artifact's files.
    """

    pipeline: str
    run: str
    executions: tuple[Execution, ...]
    outputs: Mapping[int, Outputs]
    inputs: Mapping[int, Outputs]
    version: int | None
    folder: FolderOf

    @property
    def trainers(self) -> tuple[Execution, ...]:
        return tuple(one for one in self.executions if one.component == TRAINER)

    def made(self, execution: Execution, kind: ArtifactType) -> tuple[Artifact, ...]:
        """What an execution made or reused of a type."""
        return tuple(
            artifact
            for artifacts in self.outputs.get(execution.id, {}).values()
            for artifact in artifacts
            if artifact.type is kind
        )

    @property
    def model(self) -> Artifact | None:
        """The model that went to the gates, or was to."""
        made = (self.outputs.get(one.id, {}).get("model", ()) for one in reversed(self.executions))
        return next((found for artifacts in made for found in artifacts if found.type is ArtifactType.MODEL), None)

    def first(self, kind: ArtifactType) -> Artifact | None:
        """The newest execution's artifact of a type."""
        return next((found for one in reversed(self.executions) for found in self.made(one, kind)), None)


def newest(executions: Sequence[Execution]) -> tuple[Execution, ...]:
    """Of each node the execution that counts, in the order they began.

    What gathers spans does not say its node: it is called as its component.
    """
    known = {node_of(one): one for one in sorted(executions, key=lambda one: one.id)}
    return tuple(sorted(known.values(), key=lambda one: one.id))


def node_of(execution: Execution) -> str:
    """The node that an execution is of; one that says none is called as its component."""
    named = execution.origin.get("node")
    return str(named) if named else _CAPITAL.sub("_", execution.component).lower()


def state_of(executions: Sequence[Execution], version: int | None) -> str:
    """Digest of what all the rest of a run follows from."""
    return digest_json([FORMAT, version, [[one.id, one.state.value] for one in executions]])


def tracked_runs(facts: RunFacts) -> tuple[TrackedRun, ...]:
    """What is to be tracked of a run: the run first, then its candidates, in the order they were trained."""
    several = len(facts.trainers) > 1
    run = _run(facts, several=several)
    return (run, *(_candidate(facts, run, trainer) for trainer in facts.trainers)) if several else (run,)


def status_of(executions: Sequence[Execution]) -> RunStatus:
    """In MLflow's words; a run that has begun and not reached its end is running."""
    states = {one.state for one in executions}
    if ExecutionState.FAILED in states:
        return RunStatus.FAILED
    if ExecutionState.CANCELED in states:
        return RunStatus.KILLED
    ended = any(one.component in ENDS and one.finished_at is not None for one in executions)
    return RunStatus.FINISHED if ended else RunStatus.RUNNING


def _run(facts: RunFacts, *, several: bool) -> TrackedRun:
    status = status_of(facts.executions)
    shown = [one for one in facts.executions if not (several and one.component == TRAINER)]
    found = list(_metrics(facts, shown))
    model = facts.model
    params = {"as_of": str(next((one.origin["as_of"] for one in facts.executions if "as_of" in one.origin), ""))}
    datasets: tuple[TrackedDataset, ...] = ()
    if facts.trainers:
        chosen = next((one for one in facts.trainers if model and model in facts.made(one, ArtifactType.MODEL)), None)
        trainer = chosen or facts.trainers[-1]
        params |= _params(facts, trainer)
        datasets = tuple(_datasets(facts, trainer))
    folders, whole = _folders(facts, shown)
    return TrackedRun(
        key=facts.run,
        name=facts.run,
        state=state_of(facts.executions, facts.version),
        status=status,
        started_at=facts.executions[0].started_at,
        finished_at=None if status is RunStatus.RUNNING else _ended(facts.executions),
        params=_bounded(params, PARAM_LIMIT),
        metrics=tuple(found),
        tags=_bounded(_tags(facts, model), TAG_LIMIT),
        datasets=datasets,
        folders=folders,
        whole=whole and _is_live(model),
    )


def _candidate(facts: RunFacts, run: TrackedRun, trainer: Execution) -> TrackedRun:
    node = node_of(trainer)
    name = node.removeprefix("trainer_")
    status = {ExecutionState.FAILED: RunStatus.FAILED, ExecutionState.CANCELED: RunStatus.KILLED}.get(
        trainer.state, RunStatus.RUNNING if trainer.finished_at is None else RunStatus.FINISHED
    )
    model = next(iter(facts.made(trainer, ArtifactType.MODEL)), None)
    evaluation, selection = (
        facts.folder(found) if found and _is_live(found) else None
        for found in (facts.first(ArtifactType.EVALUATION), facts.first(ArtifactType.SELECTION))
    )
    at = milliseconds(trainer.finished_at or trainer.started_at)
    folders, whole = _folders(facts, [trainer])
    return TrackedRun(
        key=f"{facts.run}/{node}",
        name=f"{facts.run}/{name}",
        state=run.state,
        status=status,
        started_at=trainer.started_at,
        finished_at=trainer.finished_at,
        parent=run.key,
        params=_bounded({"candidate": name, **_params(facts, trainer)}, PARAM_LIMIT),
        metrics=metrics_of_candidate(evaluation, selection, name, at),
        tags=_bounded({**_common_tags(facts), **_model_tags(model), "mlcore.execution": str(trainer.id)}, TAG_LIMIT),
        datasets=tuple(_datasets(facts, trainer)),
        folders=folders,
        whole=whole and run.whole and _is_live(model),
    )


def _ended(executions: Sequence[Execution]) -> datetime | None:
    return max((one.finished_at for one in executions if one.finished_at), default=None)


def _metrics(facts: RunFacts, executions: Sequence[Execution]) -> Iterator[TrackedMetric]:
    for execution in executions:
        at = milliseconds(execution.finished_at or execution.started_at)
        for artifacts in facts.outputs.get(execution.id, {}).values():
            for artifact in filter(_is_live, artifacts):
                yield from metrics_of(artifact.type, facts.folder(artifact), at)


def _folders(facts: RunFacts, executions: Sequence[Execution]) -> tuple[dict[str, Path], bool]:
    """Folder by place on the server, and whether all are there."""
    found: dict[str, Path] = {}
    whole = True
    for execution in executions:
        node = node_of(execution)
        for key, artifacts in sorted(facts.outputs.get(execution.id, {}).items()):
            for artifact in artifacts:
                if artifact.type not in SHOWN:
                    continue
                whole = whole and _is_live(artifact)
                if _is_live(artifact):
                    found[f"{node}/{key}"] = facts.folder(artifact)
    return found, whole


def _is_live(artifact: Artifact | None) -> bool:
    return artifact is None or artifact.state is ArtifactState.LIVE


def _params(facts: RunFacts, trainer: Execution) -> dict[str, str]:
    """How a model was made: as configured, and the values that a search found."""
    from mlcore.training.model import read_metadata

    asked = trainer.parameters.get("model")
    found: dict[str, Json] = {
        name: value
        for name, value in trainer.parameters.items()
        if name in ("label", "without", "split") and value not in ([], None)
    }
    found["model"] = {**asked} if isinstance(asked, dict) else asked
    for model in facts.made(trainer, ArtifactType.MODEL):
        found |= {
            "train_start": model.properties.get("train_start"),
            "train_end": model.properties.get("train_end"),
            "rows": model.properties.get("rows"),
        }
        if _is_live(model) and isinstance(found["model"], dict):
            metadata = read_metadata(facts.folder(model))
            found["model"] = {**found["model"], "params": dict(metadata.params)}
            found["features"] = ", ".join(metadata.feature_names)
    return dict(flattened(found))


def flattened(value: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves by dotted name; lists as JSON, what is not set left out.

    >>> dict(flattened({"model": {"estimator": "a.B", "params": {"depth": 3, "seed": None}}}))
    {'model.estimator': 'a.B', 'model.params.depth': '3'}
    """
    for name, part in value.items():
        if isinstance(part, dict):
            yield from flattened(part, f"{prefix}{name}.")
        elif part is not None:
            yield f"{prefix}{name}", part if isinstance(part, str) else canonical_json(part).decode()


def _datasets(facts: RunFacts, trainer: Execution) -> Iterator[TrackedDataset]:
    """The rows a model was trained on, and those it was judged on."""
    evaluators = [one for one in facts.executions if one.component == "Evaluator"]
    read = [(trainer, "training"), *((one, "evaluation") for one in evaluators)]
    for execution, context in read:
        examples = facts.inputs.get(execution.id, {}).get("examples", ())
        spans = [artifact.span for artifact in examples if artifact.span is not None]
        if not spans:
            continue
        digest = digest_json([artifact.digest for artifact in examples]).removeprefix("sha256:")
        yield TrackedDataset(
            name=f"{facts.pipeline}.{context}",
            digest=digest[:_DIGEST_LIMIT],
            context=context,
            source={
                "tags": {
                    "mlflow.source.type": "LOCAL",
                    "mlflow.source.name": f"mlcore: {facts.pipeline}",
                    "mlcore.start": iso(min(span.start for span in spans)),
                    "mlcore.end": iso(max(span.end for span in spans)),
                }
            },
            profile={"spans": len(spans)},
        )


def _tags(facts: RunFacts, model: Artifact | None) -> dict[str, str]:
    pushed, evaluation = facts.first(ArtifactType.PUSHED_MODEL), facts.first(ArtifactType.EVALUATION)
    told = {ArtifactType.DRIFT_REPORT: GraphKind.MONITORING, ArtifactType.PREDICTIONS: GraphKind.INFERENCE}
    kind = next((kind for made, kind in told.items() if facts.first(made)), GraphKind.RETRAINING)
    failed = [one for one in facts.executions if one.error]
    origin = facts.executions[-1].origin
    airflow = {f"airflow.{key}": str(origin[key]) for key in ("dag_id", "run_id") if key in origin}
    tags = {
        **_common_tags(facts),
        **_model_tags(model),
        "mlcore.kind": kind.value,
        "mlcore.verdict": str(pushed.properties.get("verdict", "")) if pushed else "",
        "mlcore.version": "" if facts.version is None else str(facts.version),
        "mlcore.error": (failed[-1].error or "").partition("\n")[0] if failed else "",
        "mlflow.note.content": str(evaluation.properties.get("headline", "")) if evaluation else "",
        **airflow,
    }
    return {name: value for name, value in tags.items() if value}


def _common_tags(facts: RunFacts) -> dict[str, str]:
    return {
        "mlcore.pipeline": facts.pipeline,
        "mlcore.run": facts.run,
        "mlflow.source.type": "JOB",
        "mlflow.source.name": f"mlcore: {facts.pipeline}",
    }


def _model_tags(model: Artifact | None) -> dict[str, str]:
    return {} if model is None else {"mlcore.digest": model.digest}


def _bounded(values: Mapping[str, str], limit: int) -> dict[str, str]:
    return {name: value if len(value) <= limit else f"{value[: limit - 3]}..." for name, value in values.items()}
