"""A dataset against another one: the span before (drift), the serving log (skew), the version before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlcore.errors import quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.constraints import FeatureComparator, HistogramSource, NumericValueComparator
from mlcore.schema.distances import (
    Difference,
    divergence_of_histograms,
    divergence_of_values,
    infinity_norm,
    normalized_difference,
)
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary

_QUOTED = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """The datasets a dataset is compared with, each where there is one.

    Attributes:
        previous: The span before: drift.
        serving: The serving log, of which the dataset is the training data: skew.
        previous_version: The same span as it was delivered before.
    """

    previous: DatasetSummary | None = None
    serving: DatasetSummary | None = None
    previous_version: DatasetSummary | None = None


def feature_comparators(observed: FeatureSummary, expected: Feature, controls: Controls) -> Iterator[Anomaly]:
    """Drift, then skew, of a feature that has a value in some row."""
    if expected.drift_comparator is not None and controls.previous is not None:
        yield from _compare(observed, controls.previous, expected.drift_comparator, "the previous span")
    if expected.skew_comparator is not None and controls.serving is not None:
        yield from _compare(observed, controls.serving, expected.skew_comparator, "the serving data")


def dataset_comparators(observed: DatasetSummary, schema: Schema, controls: Controls) -> Iterator[Anomaly]:
    """Numbers of rows against those of the span and the version before."""
    constraints = schema.dataset_constraints
    for comparator, control, name in (
        (constraints.num_examples_drift_comparator, controls.previous, "the previous span"),
        (constraints.num_examples_version_comparator, controls.previous_version, "the previous version"),
    ):
        if comparator is not None and control is not None:
            yield from _rows(observed, control, comparator, name)


def _rows(
    observed: DatasetSummary, control: DatasetSummary, comparator: NumericValueComparator, name: str
) -> Iterator[Anomaly]:
    high, low = comparator.max_fraction_threshold, comparator.min_fraction_threshold
    description = f"{observed.rows} rows against {control.rows} of {name}"
    ratio = observed.rows / control.rows if control.rows else None
    if high is not None and (ratio is None or ratio > high):
        yield Anomaly(
            type=AnomalyType.COMPARATOR_HIGH_NUM_EXAMPLES,
            severity=Severity.ERROR,
            description=f"{description}: more than {high:g} times as many.",
            observed=ratio,
            expected=high,
        )
    if low is not None and ratio is not None and ratio < low:
        yield Anomaly(
            type=AnomalyType.COMPARATOR_LOW_NUM_EXAMPLES,
            severity=Severity.ERROR,
            description=f"{description}: fewer than {low:g} times as many.",
            observed=ratio,
            expected=low,
        )


def _compare(
    observed: FeatureSummary, dataset: DatasetSummary, comparator: FeatureComparator, name: str
) -> Iterator[Anomaly]:
    if comparator == FeatureComparator(source=comparator.source):
        return
    control = dataset.feature(observed.name)
    if control is None:
        yield Anomaly(
            type=AnomalyType.COMPARATOR_CONTROL_DATA_MISSING,
            severity=Severity.ERROR,
            feature=observed.name,
            description=f"{name[0].upper()}{name[1:]} ({quoted(dataset.name, _QUOTED)}) does not have the column.",
            observed=None,
            expected=observed.type.value,
        )
        return
    limit = comparator.infinity_norm
    if limit is not None:
        yield from _above(
            infinity_norm(observed.values, control.values),
            limit,
            AnomalyType.COMPARATOR_L_INFTY_HIGH,
            observed.name,
            f"The greatest difference of one value's share from {name}",
        )
    limit = comparator.jensen_shannon_divergence
    if limit is not None:
        yield from _divergent(observed, control, comparator, limit, name)
    limit = comparator.normalized_abs_difference
    if limit is not None:
        yield from _above(
            normalized_difference(observed.values, control.values),
            limit,
            AnomalyType.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH,
            observed.name,
            f"The greatest difference of one value's count from {name}, relative to all rows of both,",
        )


def _above(difference: Difference, threshold: float, type_: AnomalyType, feature: str, what: str) -> Iterator[Anomaly]:
    if difference.distance > threshold:
        yield Anomaly(
            type=type_,
            severity=Severity.ERROR,
            feature=feature,
            description=f"{what} is {difference.distance:.6g}, of {quoted(difference.value, _QUOTED)}; "
            f"the threshold is {threshold:g}.",
            observed=difference.distance,
            expected=threshold,
        )


def _divergent(
    observed: FeatureSummary, control: FeatureSummary, comparator: FeatureComparator, threshold: float, name: str
) -> Iterator[Anomaly]:
    distance = divergence(observed, control, comparator.source)
    if distance is not None and distance > threshold:
        yield Anomaly(
            type=AnomalyType.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
            severity=Severity.ERROR,
            feature=observed.name,
            description=f"The Jensen-Shannon divergence from {name} is {distance:.6g}; the threshold is {threshold:g}.",
            observed=distance,
            expected=threshold,
        )


def divergence(
    observed: FeatureSummary, control: FeatureSummary, source: HistogramSource | None = None
) -> float | None:
    """Jensen-Shannon divergence of two columns: of values where both have them counted, else of histograms.

    ``None`` where there is nothing to compare: one has no value, or one is a string and the other a number.
    """
    if observed.values and control.values:
        return divergence_of_values(observed.values, control.values)
    quantiles = source is HistogramSource.QUANTILES
    first, second = (summary.quantile_histogram if quantiles else summary.histogram for summary in (observed, control))
    return divergence_of_histograms(
        first, second, nan=(observed.nan, control.nan), infinite=(observed.infinite, control.infinite)
    )
