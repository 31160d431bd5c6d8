"""Faults of a dataset as a whole: volume, freshness, duplicate keys, label leakage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.history import Expectations, History
from mlcore.schema.summary import DatasetSummary

_FEWEST_ALIKE = 3
_LOW = ((0.5, Severity.ERROR), (0.7, Severity.WARNING))
_HIGH = ((2.0, Severity.ERROR), (1.5, Severity.WARNING))
_SHOWING_SPREAD = 6
_SPREADS = 3
_FAR = 0.2
"""Where so many spans are alike, a WARNING comes earlier: three times what they differ by beyond them, and a fifth."""

_LEAK = 0.95
_NEAR_LEAK = 0.8
_STALE = 0.5
"""Share of a span without events at its end that is an ERROR."""

_SLACK = 0.1
_MANY_DUPLICATES = 0.001


def volume(span: DatasetSummary, earlier: Sequence[DatasetSummary]) -> Iterator[Anomaly]:
    """Rows of a span against those of the same weekday, and for spans shorter than a day of the same time of day.

    Args:
        span: One span with its start and end.
        earlier: Spans before it that are taken to be good.
    """
    if span.start is None or span.end is None or not span.rows:
        return
    alike = [other.rows for other in earlier if other.start is not None and _same_slot(other.start, span)]
    if len(alike) < _FEWEST_ALIKE:
        return
    least, most = min(alike), max(alike)
    spread = _SPREADS * (most - least) if len(alike) >= _SHOWING_SPREAD else None
    for bounds, limit, beyond in ((_LOW, least, -1), (_HIGH, most, 1)):
        severity = next((level for factor, level in bounds if beyond * (span.rows - factor * limit) > 0), None)
        if spread is not None and beyond * (span.rows - limit) > max(spread, _FAR * limit):
            severity = severity or Severity.WARNING
        if severity is not None:
            yield Anomaly(
                type=AnomalyType.UNUSUAL_VOLUME,
                severity=severity,
                description=f"{span.name} has {span.rows} rows; {_slot(span)} it was {least} to {most}.",
                observed=span.rows,
                expected=limit,
            )
            return


def _same_slot(start: datetime, span: DatasetSummary) -> bool:
    if span.start is None or span.end is None:
        return False
    length = span.end - span.start
    if length > timedelta(days=1):
        return True
    same_day = start.weekday() == span.start.weekday()
    return same_day and (length == timedelta(days=1) or start.time() == span.start.time())


def _slot(span: DatasetSummary) -> str:
    if span.start is None or span.end is None or span.end - span.start > timedelta(days=1):
        return "before"
    return f"on earlier {span.start:%A}s" + ("" if span.end - span.start == timedelta(days=1) else " at this time")


def freshness(span: DatasetSummary, history: History | None, expected: Expectations) -> Iterator[Anomaly]:
    """The newest event against the end of the span, or against ``as_of``."""
    end = span.end or expected.as_of
    newest = _newest(span, expected.event_timestamp)
    if end is None or newest is None:
        return
    if newest >= end:
        yield Anomaly(
            type=AnomalyType.FUTURE_EVENTS,
            severity=Severity.ERROR,
            feature=expected.event_timestamp,
            description=f"The newest event of {span.name} is at {newest.isoformat()}, "
            f"not before {end.isoformat()}, when the data was to be known.",
            observed=newest.isoformat(),
            expected=end.isoformat(),
        )
        return
    usual, limit = _usual_age(span, history, expected)
    if usual is None or end - newest <= usual:
        return
    yield Anomaly(
        type=AnomalyType.STALE_EVENTS,
        severity=Severity.ERROR if limit is None or end - newest > limit else Severity.WARNING,
        feature=expected.event_timestamp,
        description=f"The newest event of {span.name} is at {newest.isoformat()}, {end - newest} before "
        f"{end.isoformat()}; at most {usual} is usual.",
        observed=newest.isoformat(),
        expected=(end - usual).isoformat(),
    )


def _usual_age(
    span: DatasetSummary, history: History | None, expected: Expectations
) -> tuple[timedelta | None, timedelta | None]:
    """The age that is no anomaly, and the one beyond which it is an ERROR (``None``: every anomaly is one)."""
    if expected.max_age is not None:
        return expected.max_age, None
    if history is None or not history.long or span.start is None or span.end is None:
        return None, None
    length = span.end - span.start
    ages = [
        other.end - newest
        for other in history.spans
        if other.end is not None and (newest := _newest(other, expected.event_timestamp)) is not None
    ]
    return (max(ages) * 2 + length * _SLACK, length * _STALE) if ages else (None, None)


def _newest(span: DatasetSummary, column: str | None) -> datetime | None:
    found = span.feature(column) if column else None
    return found.newest if found is not None else None


def duplicates(rows: int, expected: Expectations) -> Iterator[Anomaly]:
    """Rows whose key another row has."""
    if not expected.duplicates or not rows:
        return
    fraction = expected.duplicates / rows
    yield Anomaly(
        type=AnomalyType.DUPLICATE_KEYS,
        severity=Severity.ERROR if fraction > _MANY_DUPLICATES else Severity.WARNING,
        description=f"{expected.duplicates} of {rows} rows have a key that another row has "
        f"({', '.join(expected.key)}).",
        observed=expected.duplicates,
        expected=0,
        since=expected.duplicates_since,
    )


def in_both_splits(expected: Expectations) -> Iterator[Anomaly]:
    """Keys of rows for training that rows for evaluation have too: a model would be judged on what it has seen."""
    if not expected.in_both:
        return
    keys = "1 key is" if expected.in_both == 1 else f"{expected.in_both} keys are"
    yield Anomaly(
        type=AnomalyType.KEYS_IN_BOTH_SPLITS,
        severity=Severity.ERROR,
        description=f"{keys} in training and in evaluation rows, for instance {'; '.join(expected.in_both_shown)}.",
        observed=expected.in_both,
        expected=0,
        since=expected.in_both_since,
    )


def leakage(training: DatasetSummary, expected: Expectations) -> Iterator[Anomaly]:
    """Columns a model learns from that, each alone, tell nearly all of the label."""
    for name, strength in sorted(training.associations.items()):
        if name == expected.label or (expected.features is not None and name not in expected.features):
            continue
        if strength >= _NEAR_LEAK:
            yield Anomaly(
                type=AnomalyType.LABEL_LEAKAGE,
                severity=Severity.ERROR if strength >= _LEAK else Severity.WARNING,
                feature=name,
                description=f"The column alone tells {strength:.0%} of the label: it may not be known in time.",
                observed=strength,
                expected=_NEAR_LEAK,
            )
