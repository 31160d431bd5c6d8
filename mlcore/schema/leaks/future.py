"""Values that came after the event: nobody has them when the model is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.leaks.rows import LeakRows, Outcome, microseconds
from mlcore.schema.leaks.told import most_told, number_readings
from mlcore.schema.summary import DatasetSummary

_FEWEST_UNLABELLED = 5
_SOME = 0.01
_NEARLY_ALL = 0.95
_TELLING = 0.6
_DAY = 86_400 * 1_000_000


def from_the_future(rows: LeakRows) -> Iterator[Anomaly]:
    """Times after the event's, and columns that are only there where the label is."""
    for name in rows.features:
        if name in (rows.event_timestamp, rows.label):
            continue
        found = _only_with_the_label(rows, name) or _later(rows, name)
        if found is not None:
            yield found


def not_in_the_log(training: DatasetSummary, log: DatasetSummary, columns: Iterable[str]) -> Iterator[Anomaly]:
    """Columns that training rows have and requests of the serving log lack."""
    for name in columns:
        learnt, asked = training.feature(name), log.feature(name)
        if learnt is None or asked is None or asked.rows < _FEWEST_UNLABELLED:
            continue
        if learnt.fraction >= _NEARLY_ALL and asked.fraction <= 1.0 - _NEARLY_ALL:
            yield _anomaly(
                name,
                Severity.ERROR,
                f"{learnt.fraction:.0%} of the training rows have a value, and {asked.fraction:.0%} of the requests in "
                "the serving log: it is written after the event.",
                asked.fraction,
            )


def _only_with_the_label(rows: LeakRows, name: str) -> Anomaly | None:
    known = np.concatenate([outcome.known for outcome in rows.outcomes])
    present = np.concatenate([np.asarray(pc.is_valid(side[name])) for side in rows.sides])
    unlabelled = int((~known).sum())
    if unlabelled < _FEWEST_UNLABELLED or not known.any():
        return None
    with_label, without = float(present[known].mean()), float(present[~known].mean())
    if with_label < _NEARLY_ALL or without > 1.0 - _NEARLY_ALL:
        return None
    return _anomaly(
        name,
        Severity.ERROR,
        f"{with_label:.0%} of the rows with a label have a value, and {without:.0%} of the {unlabelled} without one: "
        "it becomes known with the label.",
        without,
    )


def _later(rows: LeakRows, name: str) -> Anomaly | None:
    kind = rows.train.schema.field(name).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        return None
    # A date may be the local one: half the world's is the next day's already.
    slack = _DAY if pa.types.is_date(kind) else 0
    valid = [np.asarray(pc.is_valid(side[name])) for side in rows.sides]
    ahead = [
        (microseconds(side[name]) - moments).astype(np.float64)
        for side, moments in zip(rows.sides, rows.moments, strict=True)
    ]
    present = np.concatenate([difference[mask] for difference, mask in zip(ahead, valid, strict=True)])
    share = float((present > slack).mean()) if len(present) else 0.0
    if share < _SOME:
        return None
    first, second = (
        _Judged(np.where(mask, difference, np.nan), outcome)
        for difference, mask, outcome in zip(ahead, valid, rows.outcomes, strict=True)
    )
    strength = most_told(number_readings(first.ahead, second.ahead), first.outcome, second.outcome)
    telling = strength >= _TELLING
    how = (
        f"how long after tells {strength:.0%} of the label"
        if telling
        else "right only if it was planned or promised before"
    )
    return _anomaly(
        name,
        Severity.ERROR if telling else Severity.WARNING,
        f"{share:.0%} of the values are later than {rows.event_timestamp} of their row; {how}.",
        share,
    )


class _Judged:
    def __init__(self, ahead: np.ndarray, outcome: Outcome) -> None:
        self.ahead, self.outcome = ahead, outcome


def _anomaly(name: str, severity: Severity, description: str, observed: float) -> Anomaly:
    return Anomaly(
        type=AnomalyType.FEATURE_FROM_THE_FUTURE,
        severity=severity,
        feature=name,
        description=description,
        observed=observed,
    )
