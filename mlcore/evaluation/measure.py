"""The one pass over slices that evaluations and comparisons share.

Rows are sorted once; every column is coded once, and a family of slices is one sort of small numbers. Within a slice
everything is a few operations on whole arrays, so that hundreds of slices cost little more than their rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError
from mlcore.evaluation.intervals import Spread, as_proportion, spread
from mlcore.evaluation.metrics import Measured, Metric, Undefined, find_metric
from mlcore.evaluation.resample import resample
from mlcore.evaluation.rows import Rows
from mlcore.evaluation.sample import Floats, Sample
from mlcore.evaluation.slices import members
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import OVERALL, MetricValue, SliceKey, SliceResult, Slices, estimate

_Kept = npt.NDArray[np.int64] | None
_UNSURE = "insufficient data: one row says nothing of how sure it is"


def measure_slices(rows: Rows, config: EvaluationConfig, confidence: float) -> Slices:
    """Every metric of every slice; with scores of two models, the first one's less the second one's.

    Args:
        rows: With the scores of one model or two.
        config: Metrics, slices, and how many rows a slice must have.
        confidence: Of the intervals.

    Raises:
        ConfigError: A metric is unknown, or has no meaning for the task.
    """
    chosen = chosen_metrics(config.metrics_of(rows.task.value), rows.task)
    results = [
        _slice_result(_Slice(rows, key, kept), chosen, config.min_slice_rows, confidence)
        for key, kept in _slices(rows, config.measured_slices)
    ]
    return Slices(confidence=confidence, results=tuple(results))


def chosen_metrics(names: Iterable[str], task: Task) -> tuple[Metric, ...]:
    """The metrics of some names.

    Raises:
        ConfigError: One is unknown, or has no meaning for the task.
    """
    chosen = tuple(map(find_metric, names))
    for metric in chosen:
        if task not in metric.tasks:
            raise ConfigError(
                f"the metric {metric.name} has no meaning for {task.value} predictions",
                where="evaluation.metrics",
                next_step=f"it is for {', '.join(sorted(each.value for each in metric.tasks))}",
            )
    return chosen


@dataclass(frozen=True)
class _Slice:
    """Some of the rows, with what several metrics need of them made once."""

    rows: Rows
    key: SliceKey
    kept: _Kept

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self.rows.sample(model, self.kept) for model in range(len(self.rows.scores)))

    @cached_property
    def clusters(self) -> npt.NDArray[np.int64] | None:
        return self.rows.clusters if self.kept is None or self.rows.clusters is None else self.rows.clusters[self.kept]

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        return self.rows.keys if self.kept is None else self.rows.keys[self.kept]


def _slices(rows: Rows, by: Sequence[Sequence[str]]) -> Iterator[tuple[SliceKey, _Kept]]:
    yield OVERALL, None
    yield from members(rows.coded, by)


def _slice_result(part: _Slice, chosen: Sequence[Metric], min_rows: int, confidence: float) -> SliceResult:
    values, missing, sample = {}, {}, part.samples[0]
    for metric in chosen:
        if sample.rows < min_rows:
            missing[metric.spec] = (
                f"insufficient data: {sample.rows} rows with a label, evaluation.min_slice_rows is {min_rows}"
            )
            continue
        try:
            values[metric.spec] = _measure(metric, part, confidence)
        except Undefined as error:
            missing[metric.spec] = error.what
    positives = sample.positives if part.rows.task is Task.BINARY else None
    return SliceResult(key=part.key, rows=sample.rows, positives=positives, metrics=values, missing=missing)


def _measure(metric: Metric, part: _Slice, confidence: float) -> MetricValue:
    measured = [metric.measure(sample) for sample in part.samples]
    paired = len(measured) == 2
    value = measured[0].value - measured[1].value if paired else measured[0].value
    found = _resampled(metric, part) if measured[0].influence is None else _spread(metric, part, measured)
    if found is None:
        raise Undefined(_UNSURE)
    limits = (None, None) if paired else (metric.least, metric.most)
    return estimate(value, found, rows=part.samples[0].rows, confidence=confidence, limits=limits)


def _spread(metric: Metric, part: _Slice, measured: Sequence[Measured]) -> Spread | None:
    influence, base = measured[0].influence, measured[0].base
    assert influence is not None
    if base is None:
        base = part.samples[0].weights
    if len(measured) == 2:
        assert measured[1].influence is not None
        influence, base = influence - measured[1].influence, part.samples[0].weights
    found = spread(influence, base=base, clusters=part.clusters)
    if metric.interval == "delong":
        return _delong(found, measured, influence)
    if metric.interval == "wilson" and len(measured) == 1 and found is not None:
        return as_proportion(found, measured[0].value, base=base, rows=len(influence))
    return found


def _delong(found: Spread | None, measured: Sequence[Measured], influence: Floats) -> Spread | None:
    """DeLong's variance is unbiased as it is; where it says nothing, the rarer class says how sure a share is."""
    trials = measured[0].trials
    if len(measured) == 1 and trials is not None and (trials < 2 or found is None or found.error == 0.0):
        return Spread(error=0.0, clusters=None if found is None else found.clusters, trials=float(trials))
    if found is None or (trials is not None and trials < 2):
        return None
    if found.clusters is None:
        return Spread(error=math.sqrt(float(influence @ influence)) / len(influence))
    return found


def _resampled(metric: Metric, part: _Slice) -> Spread | None:
    def difference(factors: Floats) -> float:
        values = [_value(metric, sample.reweighted(factors)) for sample in part.samples]
        return values[0] - values[1] if len(values) == 2 else values[0]

    return resample(difference, part.keys, part.clusters, part.rows.cluster_keys)


def _value(metric: Metric, sample: Sample) -> float:
    if sample.total <= 0.0:
        return math.nan
    try:
        return metric.measure(sample).value
    except Undefined:
        return math.nan
