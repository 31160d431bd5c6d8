"""The anomalies of a dataset: in which ways it is not what its schema says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from mlcore.errors import quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

SMALL_FRACTION = 0.01
"""Unexpected categories, NaN or infinity in at most this share of the values are a WARNING, in more an ERROR."""

_NAMED_VALUES = 5

_Check = Callable[[FeatureSummary, Feature], Iterator[Anomaly]]


def validate(summary: DatasetSummary, schema: Schema, *, spans: Sequence[DatasetSummary] = ()) -> tuple[Anomaly, ...]:
    """Compare a dataset with its schema.

    Args:
        summary: The whole dataset.
        schema: What it should look like.
        spans: The spans the dataset consists of, in time order, to say since when.

    Returns:
        The anomalies, those of the dataset first, then by feature name; empty when all is well.
    """
    found = tuple(_anomalies(summary, schema))
    if not found or not spans:
        return found
    first: dict[tuple[AnomalyType, str | None], str] = {}
    for span in spans:
        for anomaly in _anomalies(span, schema):
            first.setdefault((anomaly.type, anomaly.feature), span.name)
    return tuple(replace(anomaly, since=first.get((anomaly.type, anomaly.feature))) for anomaly in found)


def _anomalies(summary: DatasetSummary, schema: Schema) -> Iterator[Anomaly]:
    least = schema.dataset_constraints.min_examples_count or 1
    if summary.rows < least:
        yield Anomaly(
            type=AnomalyType.DATASET_LOW_NUM_EXAMPLES,
            severity=Severity.ERROR,
            description=f"{summary.name} has {summary.rows} rows, fewer than {least}.",
            observed=summary.rows,
            expected=least,
        )
    if not summary.rows:
        return
    known = {feature.name for feature in schema.features}
    for name in sorted(known | {feature.name for feature in summary.features}):
        yield from _feature_anomalies(summary.feature(name), schema.feature(name))


def _feature_anomalies(observed: FeatureSummary | None, expected: Feature | None) -> Iterator[Anomaly]:
    if observed is None:
        if expected is not None and expected.presence.required:
            yield Anomaly(
                type=AnomalyType.SCHEMA_MISSING_COLUMN,
                severity=Severity.ERROR,
                feature=expected.name,
                description="Column is completely missing.",
            )
        return
    if expected is None:
        yield Anomaly(
            type=AnomalyType.SCHEMA_NEW_COLUMN,
            severity=Severity.WARNING,
            feature=observed.name,
            description="The column is not in the schema.",
            observed=observed.type.value,
        )
        return
    if observed.type is not expected.type:
        yield Anomaly(
            type=AnomalyType.UNEXPECTED_DATA_TYPE,
            severity=Severity.ERROR,
            feature=expected.name,
            description=f"Expected data of type {expected.type} but got {observed.type}.",
            observed=observed.type.value,
            expected=expected.type.value,
        )
        return
    for check in _CHECKS:
        yield from check(observed, expected)


def _presence(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    if not observed.present:
        if expected.presence.required:
            yield Anomaly(
                type=AnomalyType.FEATURE_TYPE_NOT_PRESENT,
                severity=Severity.ERROR,
                feature=expected.name,
                description="The feature has no value in any row.",
                observed=0,
                expected=expected.presence.min_count,
            )
        return
    presence = expected.presence
    too_few = observed.fraction < presence.min_fraction or observed.present < presence.min_count
    if too_few or observed.fraction < presence.warn_fraction:
        yield Anomaly(
            type=AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT,
            severity=Severity.ERROR if too_few else Severity.WARNING,
            feature=expected.name,
            description=f"{observed.present} of {observed.rows} rows have a value ({_share(observed.fraction)}); "
            + (
                f"at least {_share(presence.min_fraction)} must."
                if too_few
                else f"{_share(presence.warn_fraction)} should."
            ),
            observed=observed.fraction,
            expected=presence.min_fraction if too_few else presence.warn_fraction,
        )


def _domain(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    domain = expected.string_domain
    if domain is None or not observed.present:
        return
    allowed = set(domain.values)
    unexpected = {value: count for value, count in observed.values.items() if value not in allowed}
    outside = sum(unexpected.values())
    mass = (observed.present - outside) / observed.present
    if mass >= domain.min_domain_mass:
        return
    named = sorted(unexpected.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(
        f"{quoted(value, 40)} ({_share(count / observed.present)})" for value, count in named[:_NAMED_VALUES]
    )
    more = f" and {len(named) - _NAMED_VALUES} more" if len(named) > _NAMED_VALUES else ""
    yield Anomaly(
        type=AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES,
        severity=_severity(outside / observed.present),
        feature=expected.name,
        description=f"Values missing from the schema: {shown}{more}.",
        observed=mass,
        expected=domain.min_domain_mass,
    )


def _non_finite(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    domain = expected.float_domain
    if domain is None:
        return
    for type_, name, count, disallowed in (
        (AnomalyType.FLOAT_TYPE_HAS_NAN, "NaN", observed.nan, domain.disallow_nan),
        (AnomalyType.FLOAT_TYPE_HAS_INF, "infinite", observed.infinite, domain.disallow_inf),
    ):
        if count and disallowed:
            fraction = count / observed.present
            yield Anomaly(
                type=type_,
                severity=_severity(fraction),
                feature=expected.name,
                description=f"{count} of {observed.present} values are {name} ({_share(fraction)}).",
                observed=count,
                expected=0,
            )


def _range(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    bounds = expected.float_domain or expected.int_domain
    if bounds is None or observed.minimum is None or observed.maximum is None:
        return
    floating = expected.type is FeatureType.FLOAT
    small = AnomalyType.FLOAT_TYPE_SMALL_FLOAT if floating else AnomalyType.INT_TYPE_SMALL_INT
    big = AnomalyType.FLOAT_TYPE_BIG_FLOAT if floating else AnomalyType.INT_TYPE_BIG_INT
    if bounds.min is not None and observed.minimum < bounds.min:
        yield _outside(small, expected, observed.minimum, bounds.min, "least")
    if bounds.max is not None and observed.maximum > bounds.max:
        yield _outside(big, expected, observed.maximum, bounds.max, "greatest")


def _outside(type_: AnomalyType, expected: Feature, value: float, bound: float, which: str) -> Anomaly:
    return Anomaly(
        type=type_,
        severity=Severity.ERROR,
        feature=expected.name,
        description=f"The {which} value is {value:g}, outside the bound {bound:g}.",
        observed=value,
        expected=bound,
    )


_CHECKS: tuple[_Check, ...] = (_presence, _domain, _non_finite, _range)


def _severity(fraction: float) -> Severity:
    return Severity.WARNING if fraction <= SMALL_FRACTION else Severity.ERROR


def _share(fraction: float) -> str:
    """A share as a percentage that never rounds something to nothing."""
    return "<0.1 %" if 0 < fraction < 0.001 else f"{100 * fraction:.1f} %"
