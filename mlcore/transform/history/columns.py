"""Rows with columns made of their past: the one way training, evaluation and serving get them.

    history = history_columns(config.data)
    add_history(rows, past, history, event_timestamp="time_hour")

A row's values depend on the past rows of its key in its window, and on nothing else: not on the rows beside it, nor on
further past rows, their order or their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from mlcore.config.data import Data
from mlcore.transform.contract import ARROW_TYPES, conform
from mlcore.transform.history.aggregates import Column, Found, Made, Values
from mlcore.transform.history.windows import Past, Windows


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryColumn:
    """A column of ``data.history``, with all that decides its values.

    Attributes:
        name: Of the column.
        aggregate: ``lag``, ``count``, ``sum``, ``mean``, ``std``, ``min`` or ``max``.
        column: What it is made of; ``None``: rows are counted.
        by: The key.
        over: How far back rows are looked at.
        delay: How long after a row's event its value is known.
        periods: Of a lag.
        type: Type name of what it gives.
        reads: Type name by column, of all it reads of past rows but the event timestamp.
    """

    name: str
    aggregate: str
    column: str | None
    by: tuple[str, ...]
    over: timedelta
    delay: timedelta
    periods: int
    type: str
    reads: Mapping[str, str]


def history_columns(data: Data) -> tuple[HistoryColumn, ...]:
    """What ``data.history`` declares, in its order."""
    return tuple(
        HistoryColumn(
            name=name,
            aggregate=one.aggregate,
            column=one.column,
            by=one.by,
            over=one.over,
            delay=one.delay or timedelta(0),
            periods=one.periods,
            type=one.gives(data.columns),
            reads={column: _read_as(data.columns[column]) for column in dict.fromkeys((*one.by, one.column)) if column},
        )
        for name, one in data.known_history.items()
    )


def columns_of_past(history: Sequence[HistoryColumn], event_timestamp: str) -> dict[str, str]:
    """Type name by column: what past rows must have."""
    read = {name: kind for one in history for name, kind in one.reads.items()}
    return {event_timestamp: "timestamp", **read}


def add_history(rows: pa.Table, past: pa.Table, history: Sequence[HistoryColumn], *, event_timestamp: str) -> pa.Table:
    """The rows with the columns of ``history`` behind their own.

    A column that the rows have already is taken as it is: whoever asks may know more than is stored.

    Args:
        rows: In any order; the columns of keys and the event timestamp are read.
        past: What is known of earlier rows, in any order: all of :func:`columns_of_past`. Rows that are not past, for
            instance ``rows`` themselves, are of no account: nothing sees its own moment or a later one.
        history: What to add.
        event_timestamp: The column that says when a row happened; a row of which it is missing has no history.

    Raises:
        DataError: A column is missing or of another type.
    """
    wanted = [one for one in history if one.name not in rows.column_names]
    given = conform(
        rows, {event_timestamp: "timestamp", **{name: one.reads[name] for one in wanted for name in one.by}}
    )
    seen = conform(past, columns_of_past(wanted, event_timestamp))
    values = {one.column: Values(seen[one.column]) for one in wanted if one.column}
    made: dict[str, pa.Array] = {}
    for by in dict.fromkeys(one.by for one in wanted):
        same = [one for one in wanted if one.by == by]
        over = max(one.over for one in same)
        made |= _of_key(same, Past.of(given, seen, by=by, event_timestamp=event_timestamp, over=over), values, rows)
    for one in wanted:
        rows = rows.append_column(pa.field(one.name, ARROW_TYPES[one.type]), made[one.name])
    return rows


def _of_key(
    history: Sequence[HistoryColumn], past: Past, values: Mapping[str, Values], rows: pa.Table
) -> dict[str, pa.Array]:
    """The columns of one key by name, missing where a row has no key or no moment."""
    made = {one.name: Made(one.type, rows.num_rows, values.get(one.column or "")) for one in history}
    for over, delay in dict.fromkeys((one.over, one.delay) for one in history):
        same = [one for one in history if (one.over, one.delay) == (over, delay)]
        for windows in past.windows(over=over, delay=delay):
            columns = {name: Column(values[name], windows) for name in {one.column for one in same} if name}
            for one in same:
                made[one.name].put(windows.rows, _aggregated(one, columns, windows))
    return {name: one.array() for name, one in made.items()}


def _aggregated(one: HistoryColumn, columns: Mapping[str, Column], windows: Windows) -> Found:
    """The values of some rows."""
    if one.column is None:
        return windows.lengths, np.ones(len(windows.start), np.bool_)
    column = columns[one.column]
    if one.aggregate == "lag":
        return column.lag(one.periods)
    make = {
        "count": column.count, "sum": column.sum, "mean": column.mean, "std": column.std, "min": column.least,
        "max": column.greatest,
    }  # fmt: skip
    return make[one.aggregate]()


def _read_as(kind: str) -> str:
    """What a column is read as: a decimal is the nearest float."""
    return "float64" if kind.startswith("decimal(") else kind
