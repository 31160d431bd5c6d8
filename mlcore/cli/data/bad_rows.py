"""Rows of a file that could not be read, as an anomaly: they are no part of what was checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

from mlcore.core.types import Json

if TYPE_CHECKING:
    from mlcore.ingest.tables import BadRows
    from mlcore.schema.anomalies import Anomaly


def bad_rows_anomalies(checked: BadRows, others: Mapping[str, BadRows]) -> list[Anomaly]:
    """One anomaly where rows are bad: an ERROR if some are of the checked data, else a WARNING.

    Args:
        checked: Of the data that is checked.
        others: Of what it is compared with, by what that is.
    """
    from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity

    found = {name: bad for name, bad in {"the data": checked, **others}.items() if bad.count}
    if not found:
        return []
    observed: dict[str, Json] = {name: dict(bad.by_reason) for name, bad in found.items()}
    first = [row for bad in found.values() for row in bad.first]
    return [
        Anomaly(
            type=AnomalyType.BAD_ROWS,
            severity=Severity.ERROR if checked.count else Severity.WARNING,
            description="; ".join(f"{bad.count} of {bad.rows} rows of {name} are bad" for name, bad in found.items())
            + f", first {PurePath(first[0].file).name}:{first[0].line}: {first[0].message}",
            observed=observed["the data"] if list(observed) == ["the data"] else observed,
            expected="rows that can be read",
            examples=tuple(
                {"file": row.file, "line": str(row.line), "reason": row.reason.value, "message": row.message}
                for row in first
            ),
        )
    ]
