"""Which values a feature has against which it may have, by TensorFlow Data Validation's rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from mlcore.core.types import Json
from mlcore.errors import quoted
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.constraints import FloatDomain, IntDomain
from mlcore.schema.schema import Feature
from mlcore.schema.summary import FeatureSummary, FeatureType
from mlcore.schema.tolerance import Tolerance, share

_KEPT_VALUES = 100
_KEPT_LENGTH = 200
"""So many unexpected values, up to so many characters long, stand in an anomaly, to be accepted into the domain."""
_NAMED_VALUES = 5
_QUOTED = 40
_KEPT_VALUES = 1000
_LONGEST_KEPT = 200
"""What is kept of unexpected values, so that they can be accepted into the schema."""


def domain(observed: FeatureSummary, expected: Feature, tolerance: Tolerance) -> Iterator[Anomaly]:
    """The anomalies of the one domain a feature has."""
    if expected.string_domain is not None:
        yield from _strings(observed, expected, tolerance)
    elif expected.int_domain is not None:
        yield from _ints(observed, expected, expected.int_domain)
    elif expected.float_domain is not None:
        yield from _floats(observed, expected, expected.float_domain, tolerance)
    elif expected.bool_domain is not None:
        yield from _bools(observed, expected)


def _strings(observed: FeatureSummary, expected: Feature, tolerance: Tolerance) -> Iterator[Anomaly]:
    allowed = expected.string_domain
    if allowed is None or observed.type is not FeatureType.STRING:
        return
    if observed.invalid:
        yield _anomaly(
            AnomalyType.ENUM_TYPE_INVALID_UTF8,
            expected,
            f"{observed.invalid} of {observed.present} values are no UTF-8.",
            observed.invalid,
            0,
        )
        return
    known = set(allowed.values)
    unexpected = {value: count for value, count in observed.values.items() if value not in known}
    outside = sum(unexpected.values())
    off_domain = 1.0 - allowed.min_domain_mass
    # Both conditions as TensorFlow Data Validation has them: 1 - 0.9 is a little less than 0.1.
    if not unexpected or (outside / observed.present <= off_domain and off_domain != 0):
        return
    ranked = sorted(unexpected.items(), key=lambda item: (-item[1], item[0]))
    named = ranked[:_NAMED_VALUES]
    shown = ", ".join(f"{quoted(value, _QUOTED)} ({share(count / observed.present)})" for value, count in named)
    more = f" and {len(unexpected) - _NAMED_VALUES} more" if len(unexpected) > _NAMED_VALUES else ""
    yield Anomaly(
        type=AnomalyType.ENUM_TYPE_UNEXPECTED_STRING_VALUES,
        severity=tolerance.severity(outside / observed.present),
        feature=expected.name,
        description=f"Values missing from the schema: {shown}{more}.",
        observed={value: count for value, count in ranked[:_KEPT_VALUES] if len(value) <= _KEPT_LENGTH},
        expected=f"{len(known)} values of the schema in at least {share(allowed.min_domain_mass)} of the rows",
    )


def _ints(observed: FeatureSummary, expected: Feature, bounds: IntDomain) -> Iterator[Anomaly]:
    if observed.type is FeatureType.STRING:
        numbers = _parsed(observed, expected, int, AnomalyType.INT_TYPE_NOT_INT_STRING)
    elif observed.type is FeatureType.INT:
        numbers = observed.minimum, observed.maximum
    else:
        return
    if isinstance(numbers, Anomaly):
        yield numbers
        return
    yield from _range(
        expected, numbers, (bounds.min, bounds.max), AnomalyType.INT_TYPE_SMALL_INT, AnomalyType.INT_TYPE_BIG_INT
    )


def _floats(
    observed: FeatureSummary, expected: Feature, bounds: FloatDomain, tolerance: Tolerance
) -> Iterator[Anomaly]:
    if observed.type is FeatureType.STRING:
        numbers = _parsed(observed, expected, float, AnomalyType.FLOAT_TYPE_STRING_NOT_FLOAT)
    elif observed.type is FeatureType.FLOAT:
        numbers = _extremes(observed)
    else:
        return
    if bounds.disallow_nan and observed.nan:
        yield _not_finite(AnomalyType.FLOAT_TYPE_HAS_NAN, expected, "NaN", observed.nan, observed, tolerance)
    if isinstance(numbers, Anomaly):
        yield numbers
        return
    yield from _range(
        expected,
        numbers,
        (bounds.min, bounds.max),
        AnomalyType.FLOAT_TYPE_SMALL_FLOAT,
        AnomalyType.FLOAT_TYPE_BIG_FLOAT,
    )
    if bounds.disallow_inf and observed.infinite:
        yield _not_finite(AnomalyType.FLOAT_TYPE_HAS_INF, expected, "infinite", observed.infinite, observed, tolerance)


def _extremes(observed: FeatureSummary) -> tuple[float | None, float | None]:
    """Least and greatest number, infinity included."""
    low = -math.inf if observed.negative_infinite else observed.minimum
    high = math.inf if observed.infinite > observed.negative_infinite else observed.maximum
    return (high if low is None else low), (low if high is None else high)


def _not_finite(
    type_: AnomalyType, feature: Feature, name: str, count: int, observed: FeatureSummary, tolerance: Tolerance
) -> Anomaly:
    fraction = count / observed.present
    return Anomaly(
        type=type_,
        severity=tolerance.severity(fraction),
        feature=feature.name,
        description=f"{count} of {observed.present} values are {name} ({share(fraction)}).",
        observed=count,
        expected=0,
    )


def _parsed(
    observed: FeatureSummary, expected: Feature, parse: Callable[[str], float], otherwise: AnomalyType
) -> tuple[float | None, float | None] | Anomaly:
    """The least and the greatest of numbers that are stored as strings, or what one of them is instead."""
    numbers: list[float] = []
    for value in sorted(observed.values):
        try:
            numbers.append(parse(value))
        except ValueError:
            kind = "a whole number" if parse is int else "a number"
            return _anomaly(
                otherwise,
                expected,
                f"There are strings that are not {kind}, such as {quoted(value, _QUOTED)}.",
                value[:_QUOTED],
                kind,
            )
    return (min(numbers), max(numbers)) if numbers else (None, None)


def _range(
    feature: Feature,
    numbers: tuple[float | None, float | None],
    bounds: tuple[float | None, float | None],
    small: AnomalyType,
    big: AnomalyType,
) -> Iterator[Anomaly]:
    (least, greatest), (low, high) = numbers, bounds
    if low is not None and least is not None and least < low:
        yield _anomaly(small, feature, f"The least value is {least:.10g}, below {low:.10g}.", _json(least), low)
    if high is not None and greatest is not None and greatest > high:
        yield _anomaly(
            big, feature, f"The greatest value is {greatest:.10g}, above {high:.10g}.", _json(greatest), high
        )


def _bools(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    if observed.type is FeatureType.INT:
        yield from _bool_ints(observed, expected)
    elif observed.type is FeatureType.FLOAT:
        yield from _bool_floats(observed, expected)
    elif observed.type is FeatureType.STRING and expected.bool_domain is not None:
        known = {expected.bool_domain.true_value, expected.bool_domain.false_value} - {None}
        unknown = sorted(value for value in observed.values if value not in known)
        if unknown:
            yield _anomaly(
                AnomalyType.BOOL_TYPE_UNEXPECTED_STRING,
                expected,
                f"There are other values than {sorted(map(str, known))}, such as {quoted(unknown[0], _QUOTED)}.",
                unknown[0][:_QUOTED],
                ", ".join(sorted(map(str, known))),
            )


def _bool_ints(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    for type_, value, wrong in (
        (AnomalyType.BOOL_TYPE_SMALL_INT, observed.minimum, observed.minimum is not None and observed.minimum < 0),
        (AnomalyType.BOOL_TYPE_BIG_INT, observed.maximum, observed.maximum is not None and observed.maximum > 1),
    ):
        if wrong:
            yield _anomaly(
                type_, expected, f"There are other numbers than 0 and 1, such as {value:.10g}.", value, [0, 1]
            )
            return


def _bool_floats(observed: FeatureSummary, expected: Feature) -> Iterator[Anomaly]:
    wrong = [value for value in _extremes(observed) if value is not None and value not in (0, 1)]
    wrong += [math.nan] if observed.nan else []
    wrong += [bucket.low for bucket in observed.histogram if bucket.count and bucket.low > 0 and bucket.high < 1]
    if wrong:
        yield _anomaly(
            AnomalyType.BOOL_TYPE_UNEXPECTED_FLOAT,
            expected,
            f"There are other numbers than 0 and 1, such as {wrong[0]:.10g}.",
            _json(wrong[0]),
            [0, 1],
        )


def _json(value: float) -> Json:
    """A number, or the name of one that JSON has no notation for."""
    return value if math.isfinite(value) else str(value)


def _anomaly(type_: AnomalyType, feature: Feature, description: str, observed: Json, expected: Json) -> Anomaly:
    return Anomaly(
        type=type_,
        severity=Severity.ERROR,
        feature=feature.name,
        description=description,
        observed=observed,
        expected=expected,
    )
