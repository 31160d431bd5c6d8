"""The accumulators of a dataset's columns: create, add, merge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.value_counts import ValueCounts
from mlcore.errors import DataError


@dataclass(slots=True, eq=False)
class ColumnAccumulator:
    """One column.

    Attributes:
        type: ``string``, ``int64``, ``float64``, ``bool``, ``date`` or ``timestamp``.
        rows: Rows seen.
        missing: Nulls among them; NaN is a value.
        nan, infinite: Of a float column.
        zeros: Finite values that are zero.
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
    total: ExactSum = field(default_factory=ExactSum)
    total_squares: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, column: pa.Array) -> ColumnAccumulator:
        """Accumulate one array."""
        kind = column_type(column.type)
        present = column.drop_null()
        text = kind == "string"
        made = cls(type=kind, values=ValueCounts.of(present)) if text else cls._of_numbers(kind, present)
        made.rows, made.missing = len(column), column.null_count
        return made

    @classmethod
    def _of_numbers(cls, kind: str, present: pa.Array) -> ColumnAccumulator:
        numbers = _as_numbers(present, kind)
        if kind == "float64":
            floats = numbers.to_numpy()
            finite = np.isfinite(floats)
            nan = int(np.isnan(floats).sum())
            floats = floats[finite] + 0.0  # -0.0 becomes 0.0: they are one value
            made = cls(type=kind, values=ValueCounts.of(pa.array(floats)), nan=nan)
            made.infinite = len(finite) - int(finite.sum()) - nan
        else:
            floats = numbers.cast(pa.float64(), safe=False).to_numpy()
            made = cls(type=kind, values=ValueCounts.of(numbers))
        if kind in ("int64", "float64", "bool"):
            made.zeros = int((floats == 0).sum())
            made.total.add(floats)
            made.total_squares.add_squares(floats)
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
        parts = [cls._of_batch(batch) for batch in batches]
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


def _as_numbers(present: pa.Array, kind: str) -> pa.Array:
    if kind == "float64":
        return present.cast(pa.float64())
    if kind == "date":
        return pc.multiply(present.cast(pa.int32()).cast(pa.int64()), 86_400_000_000)
    if kind == "timestamp":
        return present.cast(pa.timestamp("us", tz=present.type.tz)).cast(pa.int64())
    return present.cast(pa.int64())
