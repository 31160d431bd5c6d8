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

import pyarrow as pa

from mlcore.config.data import Data
from mlcore.transform.contract import ARROW_TYPES, conform
from mlcore.transform.history.aggregates import Column
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
    made = _Made(given, seen, wanted, event_timestamp)
    for one in wanted:
        rows = rows.append_column(pa.field(one.name, ARROW_TYPES[one.type]), made.column(one))
    return rows


class _Made:
    """Columns as they are made: what several have in common is made once."""

    def __init__(
        self,
        rows: Mapping[str, pa.Array],
        past: Mapping[str, pa.Array],
        history: Sequence[HistoryColumn],
        event_timestamp: str,
    ) -> None:
        self._rows = rows
        self._seen = past
        self._event_timestamp = event_timestamp
        self._over: dict[tuple[str, ...], timedelta] = {}
        for one in history:
            self._over[one.by] = max(one.over, self._over.get(one.by, one.over))
        self._pasts: dict[tuple[str, ...], Past] = {}
        self._windows: dict[tuple[tuple[str, ...], timedelta, timedelta], Windows] = {}
        self._columns: dict[tuple[tuple[str, ...], str], Column] = {}

    def column(self, one: HistoryColumn) -> pa.Array:
        """The values of one column, missing where a row has no key."""
        return self._past(one.by).placed(self._in_order(one))

    def _in_order(self, one: HistoryColumn) -> pa.Array:
        windows, past = self._windows_of(one), self._past(one.by)
        if one.column is None:
            return pa.array(windows.lengths, mask=~past.keyed)
        values = self._values(one.by, one.column)
        match one.aggregate:
            case "lag":
                return values.lag(windows, one.periods)
            case "count":
                return pa.array(values.count(windows), mask=~past.keyed)
            case "sum" | "mean" | "std":
                make = {"sum": values.sum, "mean": values.mean, "std": values.std}[one.aggregate]
                return pa.concat_arrays([make(block) for block in windows.blocks()])
            case "min":
                return values.least(windows)
            case _:
                return values.greatest(windows)

    def _past(self, by: tuple[str, ...]) -> Past:
        if by not in self._pasts:
            self._pasts[by] = Past.of(
                self._rows, self._seen, by=by, event_timestamp=self._event_timestamp, over=self._over[by]
            )
        return self._pasts[by]

    def _windows_of(self, one: HistoryColumn) -> Windows:
        key = (one.by, one.over, one.delay)
        if key not in self._windows:
            self._windows[key] = self._past(one.by).windows(over=one.over, delay=one.delay)
        return self._windows[key]

    def _values(self, by: tuple[str, ...], name: str) -> Column:
        if (by, name) not in self._columns:
            past = self._past(by)
            self._columns[by, name] = Column(self._seen[name].take(pa.array(past.order)), past.places)
        return self._columns[by, name]


def _read_as(kind: str) -> str:
    """What a column is read as: a decimal is the nearest float."""
    return "float64" if kind.startswith("decimal(") else kind
