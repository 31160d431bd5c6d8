"""Rows of one side of the split that are on the other too, with another key.

Rows of few different values recur by nature. So a twin must agree in columns that hardly ever repeat a value, to a
thousandth of their usual range, and in all others exactly; how often that happens by chance is measured with the
numbers moved a little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.accumulators.hashing import Hashes, of_numbers
from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.leaks.rows import Codes, LeakRows
from mlcore.schema.leaks.told import exact, is_number, numbers_of

_FEWEST_ROWS = 100
_FEWEST_TWINS = 5
_HARDLY_REPEATS = 0.3
_GRAIN = 1e-3
_MOVED = 7
_BY_CHANCE = 3.0
SOME = 0.01
MANY = 0.05

_Sides = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """A column of both sides as numbers; ``fine``: of numbers that hardly ever repeat, twice as fine."""

    name: str
    codes: _Sides
    fine: bool


def twins(rows: LeakRows) -> Iterator[Anomaly]:
    """Evaluation rows of which there is a twin among the training rows."""
    if min(side.num_rows for side in rows.sides) < _FEWEST_ROWS:
        return
    columns, telling = _columns(rows)
    if not telling:
        return
    found = _share(columns, moved=0)
    chance = max(_share(columns, moved=_MOVED), _share(columns, moved=-_MOVED)) if _any_fine(columns) else 0.0
    beyond = found - _BY_CHANCE * chance
    if beyond < SOME or found * rows.evaluation.num_rows < _FEWEST_TWINS:
        return
    yield Anomaly(
        type=AnomalyType.TWINS_IN_BOTH_SPLITS,
        severity=Severity.ERROR if beyond >= MANY else Severity.WARNING,
        description=f"{found:.1%} of the evaluation rows have a twin among the training rows: another key, and equal "
        f"in all else, also in {', '.join(telling[:3])}, which hardly ever repeat.",
        observed=found,
        expected=0.0,
    )


def _columns(rows: LeakRows) -> tuple[list[_Column], list[str]]:
    """All but keys, times and the label; and the names of those that hardly ever repeat a value."""
    columns, telling = [], []
    for field in rows.train.schema:
        if field.name in (*rows.key, rows.event_timestamp, rows.label) or pa.types.is_temporal(field.type):
            continue
        sides = [side[field.name] for side in rows.sides]
        present = len(sides[0]) - sides[0].null_count
        repeats = present < _FEWEST_ROWS or len(sides[0].unique()) < _HARDLY_REPEATS * present
        if not repeats:
            telling.append(field.name)
        fine = is_number(field.type) and not repeats
        columns.append(_Column(field.name, _grained(sides) if fine else exact(*sides), fine))
    return columns, telling


def _grained(sides: Sequence[pa.ChunkedArray]) -> _Sides:
    """Half a grain each, so that two grids can be laid over the numbers."""
    first, second = (numbers_of(side) for side in sides)
    low, high = np.nanquantile(first[~np.isinf(first)], (0.25, 0.75))
    half = max(float(high - low) * _GRAIN, np.finfo(np.float64).tiny) / 2.0
    one, two = (np.clip(np.nan_to_num(np.floor(side / half), nan=-1e18), -1e18, 1e18) for side in (first, second))
    return one.astype(np.int64), two.astype(np.int64)


def _share(columns: Sequence[_Column], *, moved: int) -> float:
    """Of the evaluation rows: those with a twin, in either of two grids."""
    found: npt.NDArray[np.bool_] | None = None
    for offset in (0, 1):
        train, judged = (_signature(columns, side, offset, moved if side == 0 else 0) for side in (0, 1))
        both = np.isin(judged, train)
        found = both if found is None else found | both
    assert found is not None
    return float(found.mean())


def _signature(columns: Sequence[_Column], side: int, offset: int, moved: int) -> Hashes:
    mixed = np.zeros(len(columns[0].codes[side]), dtype=np.uint64)
    for column in columns:
        codes: Codes = column.codes[side]
        if column.fine:
            codes = (codes + offset) // 2 + moved
        mixed = of_numbers((of_numbers(codes) ^ of_numbers(mixed.view(np.int64))).view(np.int64))
    return mixed


def _any_fine(columns: Sequence[_Column]) -> bool:
    return any(column.fine for column in columns)
