"""All leaks that rows show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.leaks.future import from_the_future
from mlcore.schema.leaks.rows import LeakRows
from mlcore.schema.leaks.shifted import NEAR, SURE, shifted_labels
from mlcore.schema.leaks.target import target_statistics
from mlcore.schema.leaks.told import most_told, readings
from mlcore.schema.leaks.twins import twins


def leaks(rows: LeakRows) -> tuple[Anomaly, ...]:
    """What the rows of the two sides show, by kind and then feature; nothing of kinds that too few rows can show."""
    found = [*_telling(rows), *shifted_labels(rows), *target_statistics(rows), *twins(rows), *from_the_future(rows)]
    return tuple(sorted(found, key=lambda anomaly: (anomaly.feature or "", anomaly.type)))


def with_leaks(found: Iterable[Anomaly], further: Iterable[Anomaly]) -> list[Anomaly]:
    """Both, of one kind and feature only the worse."""
    merged = {anomaly.key: anomaly for anomaly in found}
    for anomaly in further:
        known = merged.get(anomaly.key)
        if known is None or (known.severity is Severity.WARNING and anomaly.severity is Severity.ERROR):
            merged[anomaly.key] = anomaly
    return list(merged.values())


def _telling(rows: LeakRows) -> Iterator[Anomaly]:
    """Columns that, each alone, tell nearly all of the label of rows that they were not learnt from."""
    for name in rows.features:
        strength = most_told(readings(*(side[name] for side in rows.sides)), *rows.outcomes)
        if strength >= NEAR:
            yield Anomaly(
                type=AnomalyType.LABEL_LEAKAGE,
                severity=Severity.ERROR if strength >= SURE else Severity.WARNING,
                feature=name,
                description=f"The column alone tells {strength:.0%} of the label of rows it was not learnt from: "
                "it may not be known in time.",
                observed=strength,
                expected=NEAR,
            )
