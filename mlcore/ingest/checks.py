"""What every span must hold, whatever it was read from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import Data
from mlcore.core.window import Span, iso
from mlcore.errors import MalformedData, quoted

Location = Callable[[int], str]


def check_span(table: pa.Table, data: Data, span: Span, location: Location) -> None:
    """Rows there are, each with a key of its own and an event timestamp inside the span.

    Raises:
        MalformedData: With the number of wrong rows and the place of the first.
    """
    for name in dict.fromkeys((data.event_timestamp, *data.key)):
        _check_present(table[name], name, location)
    _check_inside(table[data.event_timestamp], data.event_timestamp, span, location)
    _check_unique(table, data.key, location)


def non_finite(table: pa.Table) -> dict[str, int]:
    """How many values of each float column are NaN or infinite; only columns that have any."""
    counts = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_floating(column.type):
            finite = pc.sum(pc.is_finite(column)).as_py() or 0
            if rest := len(column) - column.null_count - finite:
                counts[name] = rest
    return counts


def _check_present(column: pa.ChunkedArray, name: str, location: Location) -> None:
    if not column.null_count:
        return
    row = pc.index(column.is_null(), value=True).as_py()
    raise MalformedData(
        f"{name} is missing in {_rows(column.null_count)}; every row needs a key and a moment",
        where=location(row),
        next_step=f"correct the export so that {name} is always there, or take it out of data.key",
    )


def _check_inside(column: pa.ChunkedArray, name: str, span: Span, location: Location) -> None:
    moments = column.cast(pa.int64()).to_numpy()
    outside = np.flatnonzero((moments < _microseconds(span.start)) | (moments >= _microseconds(span.end)))
    if outside.size:
        first = int(outside[0])
        raise MalformedData(
            f"{name} lies outside the span {span} in {_rows(int(outside.size))} of {len(column)}, "
            f"first {iso(column[first].as_py())}",
            where=location(first),
            next_step="put each row into the file of its span (spans are in UTC), or correct data.event_timestamp",
        )


def _check_unique(table: pa.Table, key: tuple[str, ...], location: Location) -> None:
    keys = table.select(list(key))
    distinct = keys.group_by(list(key), use_threads=False).aggregate([([], "count_all")]).num_rows
    if distinct == table.num_rows:
        return
    first, again = _first_repeat(keys)
    shown = ", ".join(f"{name}={_shown(keys[name][again])}" for name in key)
    raise MalformedData(
        f"{_rows(table.num_rows - distinct)} repeat the key of an earlier row, first {shown}",
        where=f"{location(first)} and {location(again)}",
        next_step="remove the repeated rows, or add to data.key what tells them apart",
    )


def _first_repeat(keys: pa.Table) -> tuple[int, int]:
    seen: dict[tuple[object, ...], int] = {}
    for row, key in enumerate(zip(*(keys[name].to_pylist() for name in keys.column_names), strict=True)):
        if key in seen:
            return seen[key], row
        seen[key] = row
    raise AssertionError("called for keys without a repeat")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _shown(value: pa.Scalar) -> str:
    python = value.as_py()
    return iso(python) if isinstance(python, datetime) else quoted(python, limit=40)


def _microseconds(moment: datetime) -> int:
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).value)
