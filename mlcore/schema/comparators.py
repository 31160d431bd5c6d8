"""A dataset against another one: the span before (drift), the serving log (skew), the version before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    ratio = observed.rows / control.rows if control.rows else None
    for type_, limit, beyond, word in (
        (AnomalyType.COMPARATOR_HIGH_NUM_EXAMPLES, comparator.max_fraction_threshold, 1, "more"),
        (AnomalyType.COMPARATOR_LOW_NUM_EXAMPLES, comparator.min_fraction_threshold, -1, "fewer"),
    ):
        # Rows where there were none are more than any number of times as many.
        if limit is not None and (beyond > 0 if ratio is None else beyond * (ratio - limit) > 0):
            yield Anomaly(
                type=type_,
                severity=Severity.ERROR,
                description=f"{observed.rows} rows against {control.rows} of {name}: "
                f"{word} than {limit:g} times as many.",
                observed=ratio,
                expected=limit,
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
    for measure in _MEASURES:
        yield from _beyond(measure, observed, control, comparator, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measure:
    """One threshold of a comparator: its key, the kind of anomaly, and what is measured, in words."""

    key: str
    type: AnomalyType
    words: str
    of: Callable[[FeatureSummary, FeatureSummary, FeatureComparator], Difference | None]


_MEASURES = (
    _Measure(
        key="infinity_norm",
        type=AnomalyType.COMPARATOR_L_INFTY_HIGH,
        words="The greatest difference of one value's share from {name}",
        of=lambda observed, control, _: infinity_norm(observed.values, control.values),
    ),
    _Measure(
        key="jensen_shannon_divergence",
        type=AnomalyType.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH,
        words="The Jensen-Shannon divergence from {name}",
        of=lambda observed, control, comparator: _as_difference(divergence(observed, control, comparator.source)),
    ),
    _Measure(
        key="normalized_abs_difference",
        type=AnomalyType.COMPARATOR_NORMALIZED_ABSOLUTE_DIFFERENCE_HIGH,
        words="The greatest difference of one value's count from {name}, relative to all rows of both,",
        of=lambda observed, control, _: normalized_difference(observed.values, control.values),
    ),
)


def _as_difference(distance: float | None) -> Difference | None:
    return None if distance is None else Difference(distance=distance, value="")


def _beyond(
    measure: _Measure, observed: FeatureSummary, control: FeatureSummary, comparator: FeatureComparator, name: str
) -> Iterator[Anomaly]:
    threshold: float | None = getattr(comparator, measure.key)
    found = measure.of(observed, control, comparator) if threshold is not None else None
    if threshold is None or found is None or found.distance <= threshold:
        return
    of_value = f", of {quoted(found.value, _QUOTED)}" if found.value else ""
    yield Anomaly(
        type=measure.type,
        severity=Severity.ERROR,
        feature=observed.name,
        description=f"{measure.words.format(name=name)} is {found.distance:.6g}{of_value}; "
        f"the threshold is {threshold:g}.",
        observed=found.distance,
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
