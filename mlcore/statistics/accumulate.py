"""The accumulator of a dataset: all its columns, what they have in common, and its slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from mlcore.accumulators.contingency import MOST_OUTCOMES, Bins, number_keys, text_keys
from mlcore.errors import DataError, quoted
from mlcore.statistics.columns import ColumnAccumulator, column_type
from mlcore.statistics.missing import Pair, merge_missing, missing_together
from mlcore.statistics.options import StatisticsOptions
from mlcore.statistics.slices import MOST_SLICES, SliceKey, sliced
from mlcore.statistics.tally import Counts, Outcome, Rows

__all__ = ["ColumnAccumulator", "DatasetAccumulator", "column_type"]

CHUNK_ROWS = 262_144
"""So many rows are counted at once, whatever the batches they come in."""
WEIGHT_STEPS = 1 << 20
"""Weights are whole multiples of the inverse: integers add up in any order."""
_MOST_WEIGHT = 1 << 32
_MOST_PARTS = 8
"""So many chunks' values are held before they are merged."""


@dataclass(frozen=True, slots=True)
class DatasetAccumulator:
    """All columns of a dataset, by name, in the dataset's order.

    Attributes:
        label: The column that associations are with.
        weight: The rows' weight together, in steps of ``1 / WEIGHT_STEPS``, where there are weights.
        missing: Rows that lack both of two columns, by their names; pairs without such a row are left out.
        slices: The rows with one value of one column, by both; in order.
    """

    rows: int
    columns: dict[str, ColumnAccumulator]
    label: str | None = None
    weight: int | None = None
    missing: Mapping[Pair, int] = field(default_factory=dict)
    slices: Mapping[SliceKey, DatasetAccumulator] = field(default_factory=dict)

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch], options: StatisticsOptions | None = None) -> DatasetAccumulator:
        """Accumulate record batches of one schema.

        Raises:
            DataError: There is no batch, a column is of a type without statistics, a weight is no number from 0 to
                2**32, or a column to slice by has more than a thousand values.
        """
        options = options or StatisticsOptions()
        parts: list[DatasetAccumulator] = []
        for chunk in _chunks(batches):
            parts.append(_of_chunk(chunk, options))
            if len(parts) == _MOST_PARTS:
                parts = [cls.merge(parts)]
        if not parts:
            raise DataError("a dataset without a single record batch has no columns to count")
        return cls.merge(parts)

    @classmethod
    def merge(cls, parts: Sequence[DatasetAccumulator]) -> DatasetAccumulator:
        """All parts together, in their order; a column that one lacks counts as missing there."""
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.columns)
        whole = [part if len(part.columns) == len(names) else _with_columns(part, parts, names) for part in parts]
        labels = {part.label for part in parts}
        weights = [part.weight for part in parts if part.weight is not None]
        return cls(
            rows=sum(part.rows for part in parts),
            columns={name: ColumnAccumulator.merge(name, [part.columns[name] for part in whole]) for name in names},
            label=labels.pop() if len(labels) == 1 else None,
            weight=sum(weights) if len(weights) == len(parts) else None,
            missing=merge_missing([part.missing for part in whole]),
            slices=_merged_slices(parts),
        )


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Chunks of equal size but for the last; one, without rows, where there are none."""
    waiting: list[pa.RecordBatch] = []
    rows, yielded = 0, False
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= CHUNK_ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, CHUNK_ROWS)
            yielded = True
            rows -= CHUNK_ROWS
            waiting = table.slice(CHUNK_ROWS).to_batches()
    if waiting and (rows or not yielded):
        yield pa.Table.from_batches(waiting)


def _of_chunk(table: pa.Table, options: StatisticsOptions) -> DatasetAccumulator:
    weights = _weights(table, options.weight)
    rows = Rows(count=table.num_rows, outcome=_outcome(table, options.label), weights=weights)
    end = None if options.end is None else round(options.end.timestamp() * 1_000_000)
    plain = Rows(count=table.num_rows, weights=weights)
    return DatasetAccumulator(
        rows=table.num_rows,
        columns={
            name: ColumnAccumulator.of(table[name], plain if name == options.label else rows, end)
            for name in table.column_names
        },
        label=options.label if rows.outcome else None,
        weight=None if weights is None else int(weights.sum()),
        missing=missing_together(table),
        slices=_of_slices(table, options),
    )


def _of_slices(table: pa.Table, options: StatisticsOptions) -> dict[SliceKey, DatasetAccumulator]:
    """In order."""
    plain = replace(options, label=None, slices=())
    parts = [part for name in options.slices for part in sliced(table, name)]
    return {key: _of_chunk(part, plain) for key, part in sorted(parts, key=lambda part: part[0].order())}


def _outcome(table: pa.Table, label: str | None) -> Outcome | None:
    """The bin of every row's label."""
    if label is None or label not in table.column_names:
        return None
    column = table[label].combine_chunks()
    present = column.is_valid().to_numpy(zero_copy_only=False)
    if column_type(column.type) in ("string", "bytes"):
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        keys = text_keys(encoded.dictionary.cast(pa.string()))
        keys = keys[codes] if len(keys) else np.zeros(len(column), np.int64)
    else:
        numbers = column.cast(pa.float64(), safe=False).fill_null(0).to_numpy(zero_copy_only=False)
        present &= np.isfinite(numbers)
        keys = number_keys(numbers)
    bins = Bins.of(keys[present], MOST_OUTCOMES)
    index = np.where(present, bins.index(keys), len(bins.keys))
    return Outcome(bins=bins, index=index)


def _weights(table: pa.Table, name: str | None) -> Counts | None:
    """The weight of every row, in steps."""
    if name is None:
        return None
    if name not in table.column_names:
        raise DataError(f"the weight column {quoted(name)} is missing", next_step="read it, or declare no weight")
    if column_type(table[name].type) not in ("int64", "float64", "bool"):
        raise DataError(f"the weight column {quoted(name)} holds no numbers", next_step="declare another weight")
    numbers = table[name].cast(pa.float64(), safe=False).combine_chunks().fill_null(0)
    weights = numbers.to_numpy(zero_copy_only=False)
    if not bool(((weights >= 0) & (weights <= _MOST_WEIGHT)).all()):
        raise DataError(
            f"the weight column {quoted(name)} has a value that is no number from 0 to {_MOST_WEIGHT}",
            next_step="repair the weights, or declare no weight",
        )
    steps: Counts = np.rint(weights * WEIGHT_STEPS).astype(np.int64)
    return steps


def _with_columns(
    part: DatasetAccumulator, parts: Sequence[DatasetAccumulator], names: Iterable[str]
) -> DatasetAccumulator:
    """The part, with columns of missing values for those that it lacks."""
    columns = dict(part.columns)
    for name in names:
        if name not in columns:
            like = next(other.columns[name] for other in parts if name in other.columns)
            columns[name] = like.all_missing(part.rows, part.weight)
    missing = dict(part.missing)
    absent = [name for name in names if name not in part.columns]
    for position, first in enumerate(absent):
        for second in (*part.columns, *absent[:position]):
            if columns[second].missing:
                missing[min(first, second), max(first, second)] = columns[second].missing
    return replace(part, columns=columns, missing=missing)


def _merged_slices(parts: Sequence[DatasetAccumulator]) -> dict[SliceKey, DatasetAccumulator]:
    keys = dict.fromkeys(key for part in parts for key in part.slices)
    for name in {key.column for key in keys}:
        if sum(key.column == name for key in keys) > MOST_SLICES:
            raise DataError(
                f"column {quoted(name)} has more than {MOST_SLICES} values", next_step="slice by a coarser column"
            )
    return {
        key: DatasetAccumulator.merge([part.slices[key] for part in parts if key in part.slices])
        for key in sorted(keys, key=SliceKey.order)
    }
