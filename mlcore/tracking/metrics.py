"""The numbers of evaluations, searches and drift reports, by name and step.

roc_auc                          over all evaluation rows; roc_auc.lower and roc_auc.upper are its interval
slice/origin:JFK/roc_auc         over the rows of a slice, and its interval likewise
difference/log_loss              less that of the champion on the same rows, or of a constant prediction
held_back/roc_auc                of a candidate, on the rows that candidates are chosen by
tuning/log_loss                  of each trial of a search, the trial's number as the step
drift/carrier                    distance of a feature's distribution from that of the champion's training
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.core.types import ArtifactType
from mlcore.tracking.records import TrackedMetric

if TYPE_CHECKING:
    from mlcore.evaluation.values import MetricValue, SliceResult, Slices

_LONGEST = 250
_SUFFIX = 9
_NOT_ALLOWED = re.compile(r"[^\w\-. :/]", re.ASCII)
Number = tuple[str, int, float]


def metrics_of(kind: ArtifactType, folder: Path, timestamp: int) -> tuple[TrackedMetric, ...]:
    """The numbers of an artifact, in the order of their names and steps; none of a type that has none."""
    match kind:
        case ArtifactType.EVALUATION:
            found = _of_evaluation(folder)
        case ArtifactType.HYPER_PARAMETERS:
            found = _of_search(folder)
        case ArtifactType.DRIFT_REPORT:
            found = _of_drift(folder)
        case _:
            return ()
    return tracked(found, timestamp)


def metrics_of_candidate(evaluation: Path | None, selection: Path | None, name: str, timestamp: int) -> tuple[
    TrackedMetric, ...
]:  # fmt: skip
    """The numbers of one candidate of several: on the evaluation rows, and on those it was chosen by."""
    return tracked(_of_candidate(evaluation, selection, name), timestamp)


def tracked(numbers: Iterable[Number], timestamp: int) -> tuple[TrackedMetric, ...]:
    """Numbers under names that MLflow allows; those that are not finite are left out."""
    known = {(metric_key(name), step): value for name, step, value in numbers if math.isfinite(value)}
    return tuple(TrackedMetric(key, step, value, timestamp) for (key, step), value in sorted(known.items()))


def metric_key(name: str) -> str:
    """A name as MLflow takes it: what had to be changed is told apart by a piece of the name's hash.

    >>> metric_key("slice/origin:JFK/roc_auc"), metric_key("drift/caf\u00e9")
    ('slice/origin:JFK/roc_auc', 'drift/caf_.9014d0b2')
    """
    key = _NOT_ALLOWED.sub("_", name)
    key = "/".join(part.strip(".") or "_" for part in key.split("/"))  # a path to MLflow, which must not go up
    if key == name and len(key) <= _LONGEST:
        return key
    return f"{key[: _LONGEST - _SUFFIX]}.{hashlib.sha256(name.encode()).hexdigest()[: _SUFFIX - 1]}"


def _of_evaluation(folder: Path) -> Iterator[Number]:
    from mlcore.evaluation.files import read_judgement

    judgement = read_judgement(folder)
    yield from _of_slices("", judgement.evaluation)
    compared = judgement.comparison or judgement.dummy
    if compared is not None:
        yield from _of_slices("difference/", compared)


def _of_slices(prefix: str, slices: Slices) -> Iterator[Number]:
    for result in slices.results:
        of = ",".join(f"{column}:{value}".replace("/", "_") for column, value in result.key)
        where = f"{prefix}slice/{of}/" if of else prefix
        yield from _of_metrics(where, result.metrics)
        if not prefix:
            yield f"{where}rows", 0, float(result.rows)


def _of_metrics(prefix: str, metrics: Mapping[str, MetricValue]) -> Iterator[Number]:
    for name, value in metrics.items():
        yield f"{prefix}{name}", 0, value.value
        yield f"{prefix}{name}.lower", 0, value.lower
        yield f"{prefix}{name}.upper", 0, value.upper


def _of_candidate(evaluation: Path | None, selection: Path | None, name: str) -> Iterator[Number]:
    from mlcore.evaluation.candidates import read_choice
    from mlcore.evaluation.files import read_judgement

    found: list[tuple[str, SliceResult]] = []
    if evaluation is not None:
        candidates = read_judgement(evaluation).candidates
        found += [("", each.metrics) for each in (candidates.evaluated if candidates else ()) if each.name == name]
    if selection is not None:
        found += [("held_back/", each.metrics) for each in read_choice(selection).candidates if each.name == name]
    for prefix, result in found:
        yield from _of_metrics(prefix, result.metrics)


def _of_search(folder: Path) -> Iterator[Number]:
    from mlcore.training.tune import read_tuned

    tuned = read_tuned(folder)
    for trial in tuned.trials:
        if trial.value is not None:
            yield f"tuning/{tuned.objective}", trial.number, trial.value


def _of_drift(folder: Path) -> Iterator[Number]:
    from mlcore.monitoring.decision import read_decision
    from mlcore.monitoring.drift import read_drift

    features = read_drift(folder)
    for feature in features:
        yield f"drift/{feature.feature}", 0, feature.distance
    yield "drifted_features", 0, float(sum(feature.drifted for feature in features))
    decision, performance = read_decision(folder)
    yield "retrain", 0, float(decision.retrain)
    if performance is not None and performance.now is not None:
        now, metric = performance.now, performance.metric
        yield from ((metric, 0, now.value), (f"{metric}.lower", 0, now.low), (f"{metric}.upper", 0, now.high))
