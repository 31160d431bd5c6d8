"""Runs side by side: what was asked of each, on which rows, and how good the model was that came of it.

All of it is read from what the runs recorded; nothing is taken from the pipeline's file, which may be another by now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlcore.core.digests import digest_json
from mlcore.core.types import Artifact, Execution, ExecutionState, Json
from mlcore.errors import MetadataError, quoted
from mlcore.runtime.kept import kept_folder
from mlcore.runtime.session import Session

if TYPE_CHECKING:
    from mlcore.evaluation.files import Judgement
    from mlcore.evaluation.values import SliceResult

FEWEST = 2
_LOOKED_AT = 20
"""Runs that are looked at for each that is wanted: monitoring and failed runs have no evaluation."""
_ENDED_WELL = (ExecutionState.COMPLETE, ExecutionState.CACHED)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedRun:
    """One run and the model it judged.

    Attributes:
        candidate: Of several models, the one that was chosen; "" where there was one.
        baseline: Digest of the champion that the model was compared with; "" where there was none.
        window: First and last moment of the training and of the evaluation rows, ISO 8601, and how many rows.
        data: By what it was read for, a digest of the content of all spans together.
        parameters: What was asked of model and evaluation, by dotted key; of tuned ones also what was found.
        features: What was written of each, by dotted key.
        verdict: What the gates said, and whether it was pushed.
    """

    run: str
    candidate: str
    model: Artifact
    baseline: str
    evaluation: Artifact
    window: Mapping[str, Json]
    data: Mapping[str, str]
    parameters: Mapping[str, Json]
    features: Mapping[str, Json]
    verdict: str
    judgement: Judgement


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A run's metrics less those of the first run, both models on the same rows.

    Attributes:
        rows_of: The run whose evaluation rows these are.
    """

    run: str
    rows_of: str
    metrics: SliceResult


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """Runs of one pipeline, in the order they were asked for.

    Attributes:
        differences: From the first run, of those of which it is known: where one run's model was the champion that the
            other's was compared with.
    """

    pipeline: str
    runs: tuple[EvaluatedRun, ...]
    differences: tuple[Difference, ...]

    @property
    def parameters(self) -> dict[str, list[Json]]:
        """By key, the values of those parameters that differ, run by run."""
        return _differing([run.parameters for run in self.runs])

    @property
    def features(self) -> dict[str, list[Json]]:
        """By key, what was written of features otherwise, run by run; ``None`` where a run has no such feature."""
        return _differing([run.features for run in self.runs])


def compare_runs(session: Session, pipeline: str, names: Sequence[str]) -> RunComparison:
    """The runs of those names.

    Raises:
        MetadataError: There is no such run, it evaluated no model, or there are fewer than two.
    """
    wanted = list(dict.fromkeys(names))
    if len(wanted) < FEWEST:
        raise MetadataError(
            f"{len(wanted)} run is nothing to compare", next_step="name two or more: mlcore runs compare RUN RUN"
        )
    runs = tuple(_evaluated(session, pipeline, name) for name in wanted)
    found = (_difference(runs[0], other) for other in runs[1:])
    return RunComparison(pipeline=pipeline, runs=runs, differences=tuple(each for each in found if each is not None))


def pipeline_of(session: Session, names: Sequence[str]) -> str:
    """The one pipeline that has runs of all those names.

    Raises:
        MetadataError: There is none, or more than one.
    """
    found = {name: session.metadata.pipelines_of(name) for name in names}
    for name, pipelines in found.items():
        if not pipelines:
            raise MetadataError(f"there is no run {quoted(name)}", next_step="see: mlcore runs list PIPELINE")
    common = set.intersection(*(set(pipelines) for pipelines in found.values()))
    if len(common) == 1:
        return common.pop()
    if common:
        raise MetadataError(
            f"{', '.join(sorted(common))} have runs of these names", next_step="say which is meant with --pipeline"
        )
    told = ", ".join(f"{name} is of {'/'.join(pipelines)}" for name, pipelines in list(found.items())[:5])
    raise MetadataError(
        f"these runs are of different pipelines: {told}",
        next_step="compare runs of one pipeline: their metrics are of other labels and rows",
    )


def newest_runs(session: Session, pipeline: str, count: int) -> tuple[str, ...]:
    """The newest runs of a pipeline that evaluated a model, oldest first.

    Raises:
        MetadataError: There are fewer than two.
    """
    found: list[str] = []
    for summary in session.metadata.runs(pipeline, count * _LOOKED_AT):
        if len(found) < count and _evaluator(session.metadata.executions(pipeline, summary.run)) is not None:
            found.append(summary.run)
    if len(found) < FEWEST:
        raise MetadataError(
            f"{len(found)} of the newest runs of {pipeline} evaluated a model: nothing to compare",
            next_step=f"see: mlcore runs list {pipeline}",
        )
    return tuple(reversed(found))


def _evaluator(executions: Sequence[Execution]) -> Execution | None:
    done = [each for each in executions if each.component == "Evaluator" and each.state in _ENDED_WELL]
    return done[-1] if done else None


def _evaluated(session: Session, pipeline: str, run: str) -> EvaluatedRun:
    from mlcore.evaluation.files import read_judgement

    store, executions = session.metadata, session.metadata.executions(pipeline, run)
    evaluator = _evaluator(executions)
    if evaluator is None:
        raise _not_evaluated(pipeline, run, executions)
    read = store.inputs(evaluator.id)
    (evaluation,) = store.outputs(evaluator.id)["evaluation"]
    (model,) = read["model"]
    trainer = _maker(session, executions, model)
    parameters: dict[str, Json] = {**_flat("evaluation", evaluator.parameters.get("evaluation"))}
    features: Json = {}
    if trainer is not None:
        inputs = store.inputs(trainer.id)
        parameters |= _flat("model", trainer.parameters.get("model"))
        for found in inputs.get("hyper_parameters", ()):
            parameters |= _flat("tuned", found.properties.get("params"))
        transform = _maker(session, executions, inputs["transform_graph"][0])
        features = {} if transform is None else transform.parameters.get("features", {})
    return EvaluatedRun(
        run=run,
        candidate=str(evaluation.properties.get("candidate") or ""),
        model=model,
        baseline=next((each.digest for each in read.get("baseline", ())), ""),
        evaluation=evaluation,
        window=_window(model, evaluation),
        data={"train": _digest(read.get("training", ())), "evaluation": _digest(read["examples"])},
        parameters=parameters,
        features={
            key: value
            for name, feature in (features if isinstance(features, dict) else {}).items()
            for key, value in _flat(name, feature).items()
        },
        verdict=_verdict(session, executions),
        judgement=read_judgement(kept_folder(session, evaluation)),
    )


def _not_evaluated(pipeline: str, run: str, executions: Sequence[Execution]) -> MetadataError:
    if not executions:
        return MetadataError(
            f"there is no run {quoted(run)} of {pipeline}", next_step=f"see: mlcore runs list {pipeline}"
        )
    last = executions[-1]
    reason = f": {last.error.splitlines()[0]}" if last.error else ""
    return MetadataError(
        f"run {quoted(run)} of {pipeline} evaluated no model; its last component, {last.component}, is"
        f" {last.state.value}{reason}",
        next_step=f"compare runs that went as far as the Evaluator: mlcore runs show {pipeline} {run}",
    )


def _maker(session: Session, executions: Sequence[Execution], artifact: Artifact) -> Execution | None:
    """The run's own execution that made or reused an artifact first; one that passes it on comes later."""
    outputs = session.metadata.outputs_of([execution.id for execution in executions])
    for execution in executions:
        if any(made.id == artifact.id for group in outputs[execution.id].values() for made in group):
            return execution
    return None


def _window(model: Artifact, evaluation: Artifact) -> dict[str, Json]:
    return {
        "train_start": model.properties.get("train_start"),
        "train_end": model.properties.get("train_end"),
        "train_rows": model.properties.get("rows"),
        "evaluation_start": evaluation.properties.get("start"),
        "evaluation_end": evaluation.properties.get("end"),
        "evaluation_rows": evaluation.properties.get("rows"),
        "without": evaluation.properties.get("without"),
    }


def _digest(artifacts: Sequence[Artifact]) -> str:
    return digest_json([artifact.digest for artifact in artifacts])


def _verdict(session: Session, executions: Sequence[Execution]) -> str:
    for execution in reversed(executions):
        if execution.component == "Pusher" and execution.state in _ENDED_WELL:
            for made in session.metadata.outputs(execution.id).get("push", ()):
                return "pushed" if made.properties.get("pushed") else str(made.properties.get("verdict"))
    return "not pushed: the run did not come to it"


def _flat(key: str, value: Json) -> dict[str, Json]:
    """``{"a": {"b": 1}}`` under ``model`` is ``{"model.a.b": 1}``."""
    if not isinstance(value, dict) or not value:
        return {key: value}
    return {name: leaf for part, below in value.items() for name, leaf in _flat(f"{key}.{part}", below).items()}


def _differing(each: Sequence[Mapping[str, Json]]) -> dict[str, list[Json]]:
    keys = dict.fromkeys(key for one in each for key in one)
    found = {key: [one.get(key) for one in each] for key in sorted(keys)}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _difference(first: EvaluatedRun, other: EvaluatedRun) -> Difference | None:
    """From the comparison with the champion that either run stored, where that champion is the other run's model."""
    stored = other.judgement.comparison
    if stored is not None and other.baseline == first.model.digest:
        return Difference(run=other.run, rows_of=other.run, metrics=stored.overall)
    stored = first.judgement.comparison
    if stored is not None and first.baseline == other.model.digest:
        return Difference(run=other.run, rows_of=first.run, metrics=_reversed(stored.overall))
    return None


def _reversed(result: SliceResult) -> SliceResult:
    return replace(
        result,
        metrics={
            name: replace(value, value=-value.value, lower=-value.upper, upper=-value.lower)
            for name, value in result.metrics.items()
        },
    )
