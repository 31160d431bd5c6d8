"""Faults of one column that only earlier data tells: constant, another unit, rounded."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.history import History
from mlcore.schema.summary import FeatureSummary, FeatureType

FEWEST_ROWS = 50
"""Of fewer values nothing is said."""

_VARIED = 0.8
_HARDLY_VARIED = 0.95
_VARIED_ONCE = 0.5
"""A column in which one value had more than this share in some earlier span may well be constant in another: a WARNING
above the first, nothing above the second; of few spans nothing above the third."""

_FACTORS = {
    24: "hours and days",
    60: "minutes and seconds, or hours and minutes",
    100: "cents, or per cent",
    1000: "thousands: seconds and milliseconds, metres and kilometres",
    3600: "hours and seconds",
    86_400: "days and seconds",
    10**6: "millions: seconds and microseconds",
    10**9: "billions: seconds and nanoseconds",
}
_NEAR = 1.25
"""A ratio is taken for a factor when it is at most this many times more or less."""

_USUAL = 5.0
"""Spans whose medians differ by more than this from one to the next say nothing about units."""

_BEYOND = 20
"""A tenth of the rows so many times beyond the extremes of all earlier spans is no growth."""

_ALL_ROUND = 0.99
_NOT_ROUND = 0.7
_NEARLY_CONSTANT = 0.9
_FEWEST_DECILES = 5


def constant(observed: FeatureSummary, history: History) -> Iterator[Anomaly]:
    """One value in every row, where no earlier span had only one."""
    if observed.distinct != 1 or observed.nan or observed.infinite or observed.present < FEWEST_ROWS:
        return
    before = [span for span in history.of(observed.name) if span.present >= FEWEST_ROWS]
    if not before or any(span.distinct is None or span.distinct < 2 for span in before):
        return
    most = max(span.top_share if span.top_share is not None else 1.0 for span in before)
    if most > (_HARDLY_VARIED if history.long else _VARIED_ONCE):
        return
    sure = history.long and most <= _VARIED
    least = min(span.distinct or 0 for span in before)
    yield Anomaly(
        type=AnomalyType.CONSTANT_COLUMN,
        severity=Severity.ERROR if sure else Severity.WARNING,
        feature=observed.name,
        description=f"All {observed.present} values are the same; there were at least {least} different ones before.",
        observed=1,
        expected=least,
    )


def unit_change(observed: FeatureSummary, history: History) -> Iterator[Anomaly]:
    """Numbers that are greater or smaller by a factor that lies between two units, all of them alike."""
    reference = history.reference.feature(observed.name)
    if reference is None or min(observed.present, reference.present) < FEWEST_ROWS:
        return
    ratio = _ratio(observed, reference)
    if ratio is None:
        yield from _partly(observed, reference)
        return
    factor = next((known for known in _FACTORS if known / _NEAR <= max(ratio, 1 / ratio) <= known * _NEAR), None)
    if factor is None or any(_far(_ratio(span, reference)) for span in history.of(observed.name)):
        return
    direction = "greater" if ratio > 1 else "smaller"
    yield Anomaly(
        type=AnomalyType.UNIT_CHANGE,
        severity=Severity.ERROR,
        feature=observed.name,
        description=f"The numbers are about {factor} times {direction} than before ({_FACTORS[factor]}?): "
        f"the median is {observed.quantiles[5]:.6g}, it was {reference.quantiles[5]:.6g}.",
        observed=observed.quantiles[5],
        expected=reference.quantiles[5],
    )


def _partly(observed: FeatureSummary, reference: FeatureSummary) -> Iterator[Anomaly]:
    """Some of the rows in another unit: many numbers far beyond the greatest that there ever was."""
    if not observed.quantiles or reference.minimum is None or reference.maximum is None:
        return
    greatest = max(abs(reference.minimum), abs(reference.maximum))
    beyond = sum(abs(decile) > _BEYOND * greatest for decile in observed.quantiles[1:-1])
    if greatest and beyond:
        yield Anomaly(
            type=AnomalyType.UNIT_CHANGE,
            severity=Severity.ERROR,
            feature=observed.name,
            description=f"About {beyond * 10} % of the numbers are more than {_BEYOND} times greater than the greatest "
            f"before, {greatest:.6g}: some rows may be in another unit.",
            observed=max(map(abs, observed.quantiles[1:-1])),
            expected=greatest,
        )


def _ratio(observed: FeatureSummary, reference: FeatureSummary) -> float | None:
    """How many times greater the deciles are; ``None`` where they do not agree on it."""
    if len(observed.quantiles) != len(reference.quantiles) or not observed.quantiles:
        return None
    pairs = zip(observed.quantiles[1:-1], reference.quantiles[1:-1], strict=True)
    ratios = [now / before for now, before in pairs if now * before > 0]
    if len(ratios) < _FEWEST_DECILES:
        return None
    middle = median(ratios)
    alike = [ratio for ratio in ratios if middle / 2 <= ratio <= middle * 2]
    return middle if len(alike) >= len(ratios) - 1 else None


def _far(ratio: float | None) -> bool:
    return ratio is not None and max(ratio, 1 / ratio) > _USUAL


def rounded(observed: FeatureSummary, history: History) -> Iterator[Anomaly]:
    """Numbers that all have fewer decimals than most had before."""
    reference = history.reference.feature(observed.name)
    if reference is None or min(observed.present, reference.present) < FEWEST_ROWS:
        return
    if observed.distinct is None or observed.distinct < 2 or observed.type is not FeatureType.FLOAT:
        return
    if observed.top_share is not None and observed.top_share > _NEARLY_CONSTANT:
        return
    for decimals in sorted(observed.grains):
        before = _round_before(reference, decimals)
        if observed.grains[decimals] < _ALL_ROUND or before > _NOT_ROUND:
            continue
        if any(span.grains.get(decimals, 0.0) >= _ALL_ROUND for span in history.of(observed.name)):
            continue
        yield Anomaly(
            type=AnomalyType.ROUNDED_VALUES,
            severity=Severity.WARNING,
            feature=observed.name,
            description=f"{observed.grains[decimals]:.1%} of the numbers are rounded to {_place(decimals)}; "
            f"before, at most {before:.1%} were.",
            observed=observed.grains[decimals],
            expected=before,
        )
        return


def _round_before(reference: FeatureSummary, decimals: int) -> float:
    """The share that was rounded so, or a bound of it from the number of different values."""
    if reference.grains:
        return reference.grains[decimals]
    if reference.minimum is None or reference.maximum is None or not reference.distinct:
        return 1.0
    possible = (reference.maximum - reference.minimum) * 10.0**decimals + 1
    return min(possible / reference.distinct, 1.0)


def _place(decimals: int) -> str:
    if decimals > 0:
        return f"{decimals} decimal{'s' if decimals > 1 else ''}"
    return "whole numbers" if not decimals else f"multiples of {10**-decimals}"
