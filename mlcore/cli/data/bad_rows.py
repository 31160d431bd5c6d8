"""Rows of a file that could not be read: an option, an anomaly and a part of a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from mlcore.core.types import Json

if TYPE_CHECKING:
    from mlcore.ingest.blocks import BadRow
    from mlcore.ingest.tables import BadRows
    from mlcore.schema.anomalies import Anomaly

MOST_BAD = 0.01
"""So much of a file's rows may be bad where nobody says otherwise."""
MaxBadFraction = Annotated[
    float, typer.Option(min=0, max=1, help="Of a file: so much of its rows may be bad; they are left out and counted.")
]


def bad_rows_document(reasons: Mapping[str, int], first: Sequence[BadRow] = ()) -> Json:
    """How many rows are bad, why, and where the first of them are.

    >>> bad_rows_document({"ragged": 2})
    {'count': 2, 'reasons': {'ragged': 2}, 'first': []}
    """
    rows: list[Json] = [dict(_shown(row)) for row in first]
    return {"count": sum(reasons.values()), "reasons": dict(reasons), "first": rows}


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
            examples=tuple({key: str(value) for key, value in _shown(row).items()} for row in first),
        )
    ]


def _shown(row: BadRow) -> dict[str, str | int]:
    return {"file": row.file, "line": row.line, "reason": row.reason.value, "message": row.message}
