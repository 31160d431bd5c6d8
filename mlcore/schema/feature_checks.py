"""One feature against its block of the schema: presence, shape, numbers of values, type, uniqueness.

The conditions and their order are TensorFlow Data Validation's. A flat table's feature has one value in a row or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from mlcore.core.types import Json
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.domain_checks import domain
from mlcore.schema.schema import Feature, Schema
from mlcore.schema.summary import FeatureSummary, FeatureType
from mlcore.schema.tolerance import Tolerance, share

_NONE = "no column"


def missing_column(expected: Feature) -> Anomaly:
    """A required feature without a column."""
    return Anomaly(
        type=AnomalyType.SCHEMA_MISSING_COLUMN,
        severity=Severity.ERROR,
        feature=expected.name,
        description="The column is missing.",
        observed=_NONE,
        expected=expected.type.value,
    )


def new_column(observed: FeatureSummary, tolerance: Tolerance, environment: str | None = None) -> Anomaly:
    """A column that the schema does not have, or does not have in this environment."""
    where = f"the environment {environment} of the schema" if environment else "the schema"
    return Anomaly(
        type=AnomalyType.SCHEMA_NEW_COLUMN,
        severity=tolerance.new_column,
        feature=observed.name,
        description=f"The column is not in {where}.",
        observed=observed.type.value,
        expected=_NONE,
    )


def feature_anomalies(
    observed: FeatureSummary, expected: Feature, schema: Schema, environment: str | None, tolerance: Tolerance
) -> Iterator[Anomaly]:
    """All that is wrong with a column by itself."""
    if not observed.present:
        if schema.required(expected, environment):
            yield Anomaly(
                type=AnomalyType.FEATURE_TYPE_NOT_PRESENT,
                severity=Severity.ERROR,
                feature=expected.name,
                description="The feature has no value in any row.",
                observed=0,
                expected=max(expected.presence.min_count, 1),
            )
        return
    if not schema.in_environment(expected, environment):
        yield new_column(observed, tolerance, environment)
    yield from _value_counts(expected)
    yield from _shape(observed, expected, tolerance)
    yield from _presence(observed, expected)
    if observed.type is not expected.type:
        yield _anomaly(
            AnomalyType.UNEXPECTED_DATA_TYPE,
            expected,
            f"Expected data of type {expected.type} but got {observed.type}.",
            observed.type.value,
            expected.type.value,
        )
    yield from domain(observed, expected, tolerance)
    yield from _unique(observed, expected)


def _value_counts(expected: Feature) -> Iterator[Anomaly]:
    """A row that has the feature at all has one value of it."""
    if len(expected.value_counts) > 1:
        yield _anomaly(
            AnomalyType.VALUE_NESTEDNESS_MISMATCH,
            expected,
            f"The schema has {len(expected.value_counts)} levels of lists, the data single values.",
            1,
            len(expected.value_counts),
        )
        return
    bounds = expected.value_count or (expected.value_counts[0] if expected.value_counts else None)
    if bounds is None:
        return
    if bounds.min is not None and bounds.min > 1:
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_LOW_NUMBER_VALUES,
            expected,
            f"Rows have one value where at least {bounds.min} are expected.",
            1,
            bounds.min,
        )
    if bounds.max is not None and bounds.max < 1:
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_HIGH_NUMBER_VALUES,
            expected,
            f"Rows have one value where at most {bounds.max} are expected.",
            1,
            bounds.max,
        )


def _shape(observed: FeatureSummary, expected: Feature, tolerance: Tolerance) -> Iterator[Anomaly]:
    if expected.shape is None:
        return
    size = prod(expected.shape)
    if observed.present < observed.rows:
        if tolerance.gaps_in_shape:
            return
        yield _anomaly(
            AnomalyType.INVALID_FEATURE_SHAPE,
            expected,
            "The feature has a shape, so every row must have a value; "
            f"{observed.rows - observed.present} of {observed.rows} have none.",
            observed.rows - observed.present,
            0,
        )
    elif size != 1:
        yield _anomaly(
            AnomalyType.INVALID_FEATURE_SHAPE,
            expected,
            f"Every row has one value; a shape of {size} values is expected.",
            1,
            size,
        )


def _presence(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    presence = expected.presence
    if observed.present < presence.min_count:
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_LOW_NUMBER_PRESENT,
            expected,
            f"{observed.present} rows have a value; at least {presence.min_count} must.",
            observed.present,
            presence.min_count,
        )
    for least, severity, verb in (
        (presence.min_fraction, Severity.ERROR, "must"),
        (presence.warn_fraction, Severity.WARNING, "should"),
    ):
        if observed.fraction < least:
            yield Anomaly(
                type=AnomalyType.FEATURE_TYPE_LOW_FRACTION_PRESENT,
                severity=severity,
                feature=expected.name,
                description=f"{observed.present} of {observed.rows} rows have a value ({share(observed.fraction)}); "
                f"{share(least)} {verb}.",
                observed=observed.fraction,
                expected=least,
            )
            return


def _unique(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    bounds = expected.unique_constraints
    if bounds is None:
        return
    domain_ = expected.int_domain or expected.float_domain
    categorical = domain_ is not None and domain_.is_categorical
    if observed.distinct is None or (observed.type in (FeatureType.INT, FeatureType.FLOAT) and not categorical):
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_NO_UNIQUE,
            expected,
            "The schema bounds the number of different values of a feature that is neither string nor categorical.",
            observed.type.value,
            "string",
        )
        return
    if bounds.min is not None and observed.distinct < bounds.min:
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_LOW_UNIQUE,
            expected,
            f"{observed.distinct} different values; at least {bounds.min} are expected.",
            observed.distinct,
            bounds.min,
        )
    if bounds.max is not None and observed.distinct > bounds.max:
        yield _anomaly(
            AnomalyType.FEATURE_TYPE_HIGH_UNIQUE,
            expected,
            f"{observed.distinct} different values; at most {bounds.max} are expected.",
            observed.distinct,
            bounds.max,
        )


def _anomaly(type_: AnomalyType, feature: Feature, description: str, observed: Json, expected: Json) -> Anomaly:
    return Anomaly(
        type=type_,
        severity=Severity.ERROR,
        feature=feature.name,
        description=description,
        observed=observed,
        expected=expected,
    )
