"""Faults of one column that only earlier data tells: constant, rounded."""

from __future__ import annotations

from collections.abc import Iterator

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

_ALL_ROUND = 0.99
_NOT_ROUND = 0.7
_NEARLY_CONSTANT = 0.9


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
