"""The accumulators of a dataset's columns: create, add, merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.value_counts import Counts, ValueCounts
from mlcore.errors import DataError

_MOST_PARTS = 16
"""So many batches' values are held before they are merged."""


@dataclass(slots=True, eq=False)
class ColumnAccumulator:
    """One column.

    Attributes:
        type: ``string``, ``int64``, ``float64``, ``bool``, ``date`` or ``timestamp``.
        rows: Rows seen.
        missing: Nulls among them; NaN is a value.
        nan, infinite: Of a float column.
        zeros: Finite values that are zero.
        characters: Length of all strings together.
        total, total_squares: Of the finite numbers, exact.
        values: Counts of the finite numbers or strings; of dates and times in microseconds since 1970.
    """

    type: str
    values: ValueCounts
    rows: int = 0
    missing: int = 0
    nan: int = 0
    infinite: int = 0
    zeros: int = 0
    characters: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    total_squares: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, column: pa.Array) -> ColumnAccumulator:
        """Accumulate one array."""
        kind = column_type(column.type)
        present = column.drop_null() if column.null_count else column
        made = cls._of_text(present) if kind == "string" else cls._of_numbers(kind, present)
        made.rows, made.missing = len(column), column.null_count
        return made

    @classmethod
    def _of_text(cls, present: pa.Array) -> ColumnAccumulator:
        values, counts = _counted(present)
        lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(type="string", values=ValueCounts.of_counted(values, counts), characters=int(lengths @ counts))

    @classmethod
    def _of_numbers(cls, kind: str, present: pa.Array) -> ColumnAccumulator:
        """All that follows from each different value and its count: most columns repeat few values."""
        values, counts = _counted(_as_numbers(present, kind))
        nan = infinite = 0
        if kind == "float64":
            floats = values.to_numpy(zero_copy_only=False)
            finite = np.isfinite(floats)
            if not finite.all():
                nan = int(counts[np.isnan(floats)].sum())
                infinite = int(counts[~finite].sum()) - nan
                values, counts = pa.array(floats[finite]), counts[finite]
        made = cls(type=kind, values=ValueCounts.of_counted(values, counts), nan=nan, infinite=infinite)
        if kind in ("int64", "float64", "bool"):
            floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            made.zeros = int(counts[floats == 0].sum())
            made.total.add(floats, counts)
            made.total_squares.add_squares(floats, counts)
        return made

    @classmethod
    def merge(cls, name: str, parts: Sequence[ColumnAccumulator]) -> ColumnAccumulator:
        """All parts together."""
        types = {part.type for part in parts}
        if len(types) > 1:
            raise DataError(f"column {name} is of type {' and '.join(sorted(types))}")
        merged = cls(type=parts[0].type, values=ValueCounts.merge([part.values for part in parts]))
        for part in parts:
            merged.rows += part.rows
            merged.missing += part.missing
            merged.nan += part.nan
            merged.infinite += part.infinite
            merged.zeros += part.zeros
            merged.characters += part.characters
            merged.total.merge(part.total)
            merged.total_squares.merge(part.total_squares)
        return merged


@dataclass(frozen=True, slots=True)
class DatasetAccumulator:
    """All columns of a dataset, by name, in the dataset's order."""

    rows: int
    columns: dict[str, ColumnAccumulator]

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch]) -> DatasetAccumulator:
        """Accumulate record batches of one schema."""
        parts: list[DatasetAccumulator] = []
        for batch in batches:
            parts.append(cls._of_batch(batch))
            if len(parts) == _MOST_PARTS:
                parts = [cls.merge(parts)]
        if not parts:
            raise DataError("a dataset without a single record batch has no columns to count")
        return cls.merge(parts)

    @classmethod
    def _of_batch(cls, batch: pa.RecordBatch) -> DatasetAccumulator:
        columns = {name: ColumnAccumulator.of(batch.column(name)) for name in batch.schema.names}
        return cls(rows=batch.num_rows, columns=columns)

    @classmethod
    def merge(cls, parts: Sequence[DatasetAccumulator]) -> DatasetAccumulator:
        """All parts together; a column that one lacks counts as missing there."""
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.columns)
        columns = {
            name: ColumnAccumulator.merge(name, [part.columns[name] for part in parts if name in part.columns])
            for name in names
        }
        rows = sum(part.rows for part in parts)
        for column in columns.values():
            column.missing += rows - column.rows
            column.rows = rows
        return cls(rows=rows, columns=columns)


def column_type(type_: pa.DataType) -> str:
    """The pipeline file's name of an Arrow type."""
    for name, matches in (
        ("string", pa.types.is_string),
        ("bool", pa.types.is_boolean),
        ("float64", pa.types.is_floating),
        ("int64", pa.types.is_integer),
        ("date", pa.types.is_date32),
        ("timestamp", pa.types.is_timestamp),
    ):
        if matches(type_):
            return name
    raise DataError(f"columns of type {type_} have no statistics", next_step="choose a type of the pipeline file")


def _counted(values: pa.Array) -> tuple[pa.Array, Counts]:
    counted = values.value_counts()
    return counted.field("values"), counted.field("counts").to_numpy()


def _as_numbers(present: pa.Array, kind: str) -> pa.Array:
    if kind == "float64":
        return present.cast(pa.float64())
    if kind == "date":
        return pc.multiply(present.cast(pa.int32()).cast(pa.int64()), 86_400_000_000)
    if kind == "timestamp":
        return present.cast(pa.timestamp("us", tz=present.type.tz)).cast(pa.int64())
    return present.cast(pa.int64())
