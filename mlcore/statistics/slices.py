"""A dataset's rows by the values of a column."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mlcore.errors import DataError, quoted

MOST_SLICES = 1_000
SliceValue = str | int | float | bool | None


class SliceKey(NamedTuple):
    """A column and one of its values; ``None`` for rows without one."""

    column: str
    value: SliceValue

    def order(self) -> tuple[str, str, str | int | float]:
        """By column, then by value; missing first."""
        if self.value is None:
            return self.column, "", 0
        return self.column, "text" if isinstance(self.value, str) else "number", self.value


def sliced(table: pa.Table, name: str) -> Iterator[tuple[SliceKey, pa.Table]]:
    """The rows of every value of a column; each row once.

    Raises:
        DataError: There is no such column, or it has too many values.
    """
    if name not in table.column_names:
        raise DataError(
            f"there is no column {quoted(name)} to slice by",
            next_step=f"choose one of {quoted(', '.join(table.column_names), 300)}",
        )
    table = table.unify_dictionaries()
    column = table[name].combine_chunks()
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = [_plain(value) for value in encoded.dictionary.to_pylist()]
    if len(values) > MOST_SLICES:
        raise DataError(
            f"column {quoted(name)} has more than {MOST_SLICES} values", next_step="slice by a coarser column"
        )
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(values) + 2))
    grouped = table.take(pa.array(order))
    for position, value in enumerate([*values, None]):
        start, end = int(bounds[position]), int(bounds[position + 1])
        if end > start:
            yield SliceKey(name, value), grouped.slice(start, end - start)


def _plain(value: object) -> SliceValue:
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)
