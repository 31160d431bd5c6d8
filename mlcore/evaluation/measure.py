"""The one pass over slices that evaluations and comparisons share."""

from __future__ import annotations

from collections.abc import Sequence

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.intervals import standard_error
from mlcore.evaluation.metrics import Metric, find_metric
from mlcore.evaluation.rows import Rows, slices
from mlcore.evaluation.sample import Codes, Floats, Sample
from mlcore.evaluation.values import MetricValue, SliceKey, SliceResult, Slices, estimate

MIN_ROWS = 2
"""A variance takes two."""


def measure_slices(rows: Rows, scores: Sequence[Floats], config: EvaluationConfig, confidence: float) -> Slices:
    """Every metric of every slice; with scores of two models, the first one's less the second one's."""
    chosen = [find_metric(name) for name in config.metrics]
    results = []
    for key, members in slices(rows, config.slices):
        pick = slice(None) if members is None else members
        samples = [Sample(positive=rows.positive[pick], scores=of_model[pick]) for of_model in scores]
        clusters = None if rows.clusters is None else rows.clusters[pick]
        results.append(_slice_result(key, samples, clusters, chosen, config.min_slice_rows, confidence))
    return Slices(confidence=confidence, results=tuple(results))


def _slice_result(
    key: SliceKey,
    samples: Sequence[Sample],
    clusters: Codes | None,
    chosen: Sequence[Metric],
    min_rows: int,
    confidence: float,
) -> SliceResult:
    values, missing = {}, {}
    for metric in chosen:
        reason = _lacking(metric, samples[0], min_rows)
        if reason:
            missing[metric.name] = reason
        else:
            values[metric.name] = _measure(metric, samples, clusters, confidence)
    return SliceResult(key=key, rows=samples[0].rows, positives=samples[0].positives, metrics=values, missing=missing)


def _lacking(metric: Metric, sample: Sample, min_rows: int) -> str:
    if sample.rows < min_rows:
        return f"insufficient data: {sample.rows} rows with a label, evaluation.min_slice_rows is {min_rows}"
    if sample.rows < MIN_ROWS:
        return "insufficient data: one row says nothing of how sure it is"
    if metric.needs_both_classes and min(sample.positives, sample.negatives) < MIN_ROWS:
        return f"insufficient data: {sample.positives} of {sample.rows} rows have the label 1, two of each are needed"
    return ""


def _measure(metric: Metric, samples: Sequence[Sample], clusters: Codes | None, confidence: float) -> MetricValue:
    value, influence = metric.measure(samples[0])
    limits: tuple[float | None, float | None] = metric.least, metric.most
    for other in samples[1:]:
        subtracted, of_other = metric.measure(other)
        value, influence, limits = value - subtracted, influence - of_other, (None, None)
    error, count = standard_error(influence, clusters)
    return estimate(
        value, standard_error=error, clusters=count, rows=samples[0].rows, confidence=confidence, limits=limits
    )
