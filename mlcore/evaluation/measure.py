"""The one pass over slices that evaluations and comparisons share.

Rows are sorted once; every column is coded once, and a family of slices is one sort of small numbers. Within a slice
everything is a few operations on whole arrays, so that hundreds of slices cost little more than their rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.errors import ConfigError
from mlcore.evaluation.intervals import Spread, as_proportion, spread
from mlcore.evaluation.metrics import Measured, Metric, Undefined, find_metric
from mlcore.evaluation.resample import resample, thinned
from mlcore.evaluation.rows import Rows
from mlcore.evaluation.sample import Floats, Sample
from mlcore.evaluation.slices import members
from mlcore.evaluation.task import Task
from mlcore.evaluation.values import OVERALL, SliceKey, SliceResult, Slices, estimate

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

    @cached_property
    def drawn(self) -> tuple[_Slice, float]:
        """What to resample, and the factor by which the error of that is greater than the slice's."""
        independent = self.clusters is None or not np.any(self.clusters != self.clusters[0])
        picked, scale = thinned(self.keys, self.samples[0].weights, independent=independent)
        if picked is None:
            return self, 1.0
        return _Slice(self.rows, self.key, picked if self.kept is None else self.kept[picked]), scale

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        return self.rows.keys if self.kept is None else self.rows.keys[self.kept]


def _slices(rows: Rows, by: Sequence[Sequence[str]]) -> Iterator[tuple[SliceKey, _Kept]]:
    yield OVERALL, None
    yield from members(rows.coded, by)


def _slice_result(part: _Slice, chosen: Sequence[Metric], min_rows: int, confidence: float) -> SliceResult:
    sample = part.samples[0]
    positives = sample.positives if part.rows.task is Task.BINARY else None
    if sample.rows < min_rows:
        reason = f"insufficient data: {sample.rows} rows with a label, evaluation.min_slice_rows is {min_rows}"
        missing = {metric.spec: reason for metric in chosen}
        return SliceResult(key=part.key, rows=sample.rows, positives=positives, metrics={}, missing=missing)
    estimates: dict[Metric, float] = {}
    spreads: dict[Metric, Spread | None] = {}
    missing, resampled = {}, []
    for metric in chosen:
        try:
            measured = [metric.measure(each) for each in part.samples]
        except Undefined as error:
            missing[metric.spec] = error.what
            continue
        estimates[metric] = measured[0].value - measured[1].value if len(measured) == 2 else measured[0].value
        if measured[0].influence is None:
            resampled.append(metric)
        else:  # at once, so that the influences of one metric only are held
            spreads[metric] = _spread(metric, part, measured)
    spreads |= zip(resampled, _resampled(resampled, part), strict=True) if resampled else {}
    values = {}
    for metric, value in estimates.items():
        found = spreads[metric]
        if found is None:
            missing[metric.spec] = _UNSURE
            continue
        limits = (None, None) if len(part.samples) == 2 else (metric.least, metric.most)
        values[metric.spec] = estimate(value, found, rows=sample.rows, confidence=confidence, limits=limits)
    return SliceResult(key=part.key, rows=sample.rows, positives=positives, metrics=values, missing=missing)


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


def _resampled(chosen: Sequence[Metric], part: _Slice) -> list[Spread | None]:
    drawn, scale = part.drawn

    def spreads(of: _Slice) -> list[Spread | None]:
        def differences(factors: Floats) -> list[float]:
            samples = [sample.reweighted(factors) for sample in of.samples]
            found = [[_value(metric, sample) for sample in samples] for metric in chosen]
            return [values[0] - values[1] if len(values) == 2 else values[0] for values in found]

        return resample(differences, of.keys, of.clusters, of.rows.cluster_keys)

    found = [each and replace(each, error=each.error * scale) for each in spreads(drawn)]
    if drawn is not part and None in found:  # so rare an outcome that a sample has hardly any
        return spreads(part)
    return found


def _value(metric: Metric, sample: Sample) -> float:
    if sample.total <= 0.0:
        return math.nan
    try:
        return metric.measure(sample).value
    except Undefined:
        return math.nan
