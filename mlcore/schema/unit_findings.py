"""Numbers in another unit: all of them, or some."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log

import numpy as np

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.column_findings import FEWEST_ROWS
from mlcore.schema.history import History
from mlcore.schema.summary import FeatureSummary

_FACTORS = {
    24.0: "hours and days",
    60.0: "minutes and seconds, or hours and minutes",
    100.0: "cents, or per cent",
    1000.0: "thousands: seconds and milliseconds, metres and kilometres",
    3600.0: "hours and seconds",
    5280.0: "feet and miles",
    86_400.0: "days and seconds",
    1e6: "millions: seconds and microseconds",
    1e9: "billions: seconds and nanoseconds",
}
_SMALL_FACTORS = {
    1.609344: "miles and kilometres",
    1.852: "knots and kilometres an hour",
    2.20462: "kilogrammes and pounds",
    2.23694: "metres a second and miles an hour",
    2.54: "inches and centimetres",
    3.28084: "metres and feet",
    3.6: "metres a second and kilometres an hour",
}
"""Factors that may as well be growth: told as a WARNING, of numbers that hardly change from span to span."""

_NEAR = 1.25
_NEAR_ANY_DAY = 1.1
"""A ratio is taken for a factor when it is at most this many times more or less: than the factor where the spans do not
show what is usual, and than the factor times what was usual where they do."""

_NEAR_SMALL = 1.06
_STABLE = 1.1
_USUAL = 5.0
"""Spans whose deciles differ by more than this from one to the next say nothing about units."""

_BEYOND = 20
"""A tenth of the rows so many times beyond the extremes of all earlier spans is no growth."""

_FAR_BEYOND = 100
"""Nor is a single row so many times beyond."""

_FEWEST_DECILES = 5


def unit_change(observed: FeatureSummary, history: History) -> Iterator[Anomaly]:
    """Numbers that are greater or smaller by a factor that lies between two units, all of them alike, or some."""
    reference = history.reference.feature(observed.name)
    if reference is None or min(observed.present, reference.present) < FEWEST_ROWS:
        return
    found = _factor(observed, reference, history)
    if found is None:
        yield from _partly(observed, reference)
        return
    factor, units, severity = found
    direction = "greater" if factor > 1 else "smaller"
    yield Anomaly(
        type=AnomalyType.UNIT_CHANGE,
        severity=severity,
        feature=observed.name,
        description=f"The numbers are about {max(factor, 1 / factor):g} times {direction} than before ({units}?): "
        f"the median is {observed.quantiles[5]:.6g}, it was {reference.quantiles[5]:.6g}.",
        observed=observed.quantiles[5],
        expected=reference.quantiles[5],
    )


def _factor(
    observed: FeatureSummary, reference: FeatureSummary, history: History
) -> tuple[float, str, Severity] | None:
    """The factor that all deciles grew by, more or less; below 1 where they shrank."""
    ratio = _ratio(observed, reference, alike=2.0)
    if ratio is None:
        return None
    usual = [1.0, *(found for span in history.of(observed.name) if (found := _ratio(span, reference, alike=2.0)))]
    low, high = min(usual), max(usual)
    if max(high, 1 / low) > _USUAL:
        return None
    if ratio > high * _USUAL or ratio < low / _USUAL:
        near = _NEAR_ANY_DAY if history.long else _NEAR
        factor = _nearest(ratio, _FACTORS, low / near, high * near)
        return None if factor is None else (factor, _units(factor, _FACTORS), Severity.ERROR)
    exact = _ratio(observed, reference, alike=_STABLE)
    if not history.long or exact is None or max(high, 1 / low) > _STABLE:
        return None
    factor = _nearest(exact, _SMALL_FACTORS, 1 / _NEAR_SMALL, _NEAR_SMALL)
    return None if factor is None else (factor, _units(factor, _SMALL_FACTORS), Severity.WARNING)


def _nearest(ratio: float, factors: Mapping[float, str], low: float, high: float) -> float | None:
    """The factor, or its inverse, that a ratio is nearest to, of those that it is ``low`` to ``high`` times."""
    both = [value for factor in factors for value in (factor, 1 / factor)]
    fitting = [factor for factor in both if low <= ratio / factor <= high]
    return min(fitting, key=lambda factor: abs(log(ratio / factor)), default=None)


def _units(factor: float, factors: Mapping[float, str]) -> str:
    return factors.get(factor) or factors[min(factors, key=lambda known: abs(known - 1 / factor))]


def _partly(observed: FeatureSummary, reference: FeatureSummary) -> Iterator[Anomaly]:
    """Some of the rows in another unit: numbers far beyond the greatest that there ever was."""
    if not observed.quantiles or reference.minimum is None or reference.maximum is None:
        return
    greatest = max(abs(reference.minimum), abs(reference.maximum))
    most = max(abs(value) for value in (observed.minimum, observed.maximum) if value is not None)
    beyond = sum(abs(decile) > _BEYOND * greatest for decile in observed.quantiles[1:-1])
    if not greatest or (not beyond and most <= _FAR_BEYOND * greatest):
        return
    share = f"About {beyond * 10} %" if beyond else "A few"
    yield Anomaly(
        type=AnomalyType.UNIT_CHANGE,
        severity=Severity.ERROR if beyond else Severity.WARNING,
        feature=observed.name,
        description=f"{share} of the numbers are more than {_BEYOND if beyond else _FAR_BEYOND} times greater than the "
        f"greatest before, {greatest:.6g}: some rows may be in another unit.",
        observed=most,
        expected=greatest,
    )


def _ratio(observed: FeatureSummary, reference: FeatureSummary, *, alike: float) -> float | None:
    """How many times greater the deciles are; ``None`` where they do not agree on it, ``alike`` times more or less."""
    if len(observed.quantiles) != len(reference.quantiles) or not observed.quantiles:
        return None
    pairs = zip(observed.quantiles[1:-1], reference.quantiles[1:-1], strict=True)
    ratios = [now / before for now, before in pairs if now * before > 0]
    if len(ratios) < _FEWEST_DECILES:
        return None
    middle = float(np.median(ratios))
    agreeing = [ratio for ratio in ratios if middle / alike <= ratio <= middle * alike]
    return middle if len(agreeing) >= len(ratios) - 1 else None
