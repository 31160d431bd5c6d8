"""The accumulator of one column: create, add, merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import pyarrow as pa

from mlcore.accumulators.contingency import Contingency
from mlcore.accumulators.exact_sum import ExactSum, merged
from mlcore.accumulators.value_counts import ValueCounts
from mlcore.errors import DataError, quoted
from mlcore.statistics.strings import bounded, decoded, strings_of
from mlcore.statistics.tally import Counts, Numbers, Rows, tally_numbers, tally_strings

_DAY_MICROSECONDS = 86_400_000_000
_SUMMED = ("int64", "float64", "bool")
TEXTS = ("string", "bytes")
TIMES = ("date", "timestamp")


@dataclass(slots=True, kw_only=True)
class RowCounts:
    """Rows, or their weights in whole steps, by what they have in this column.

    Attributes:
        rows: All rows.
        missing: Nulls among them; NaN is a value.
        nan, infinite: Of a float column.
        zeros: Finite values that are zero.
        future: Times at or after the end of the span.
        characters: Length of all strings together.
        empty, blank, padded, non_ascii, damaged, invalid: Of strings; see ``summary.StringSummary``.
    """

    rows: int = 0
    missing: int = 0
    nan: int = 0
    infinite: int = 0
    zeros: int = 0
    future: int = 0
    characters: int = 0
    empty: int = 0
    blank: int = 0
    padded: int = 0
    non_ascii: int = 0
    damaged: int = 0
    invalid: int = 0


COUNTS = tuple(each.name for each in fields(RowCounts))


@dataclass(slots=True, eq=False)
class ColumnAccumulator(RowCounts):
    """One column.

    Attributes:
        type: ``string``, ``bytes``, ``int64``, ``float64``, ``bool``, ``date`` or ``timestamp``.
        values: Counts of the finite numbers or strings; of dates and times in microseconds since 1970.
        total, total_squares: Of the finite numbers, exact.
        shortest, longest: Strings, in characters; -1 where there is none.
        association: With the label, where there is one.
        weighted: The same by weight, where there are weights.
    """

    type: str
    values: ValueCounts
    total: ExactSum = field(default_factory=ExactSum)
    total_squares: ExactSum = field(default_factory=ExactSum)
    shortest: int = -1
    longest: int = -1
    association: Contingency | None = None
    weighted: ColumnAccumulator | None = None

    @classmethod
    def of(
        cls, column: pa.Array | pa.ChunkedArray, rows: Rows | None = None, end: int | None = None
    ) -> ColumnAccumulator:
        """Accumulate rows.

        Args:
            column: Their values.
            rows: Their labels and weights.
            end: The end of the span in microseconds since 1970.
        """
        rows = rows or Rows(count=len(column))
        kind = column_type(column.type)
        chunks = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        made = _of_texts(kind, chunks, rows) if kind in TEXTS else _of_numbers(kind, chunks, rows)
        made.rows, made.missing = len(column), column.null_count
        if made.weighted is not None and rows.weights is not None:
            made.weighted.rows = int(rows.weights.sum())
            missing = rows.weights[column.is_null().to_numpy(zero_copy_only=False)] if column.null_count else ()
            made.weighted.missing = int(sum(missing)) if len(missing) else 0
        if kind in TIMES and end is not None:
            for part in (made, made.weighted):
                if part is not None:
                    numbers = part.values.values.to_numpy(zero_copy_only=False)
                    part.future = int(part.values.counts[numbers >= end].sum())
        return made

    def all_missing(self, rows: int, weight: int | None) -> ColumnAccumulator:
        """A column of this type without a value in any row."""
        empty = ValueCounts(self.values.values.slice(0, 0), self.values.counts[:0])
        made = ColumnAccumulator(type=self.type, values=empty, rows=rows, missing=rows)
        if weight is not None:
            made.weighted = ColumnAccumulator(type=self.type, values=empty, rows=weight, missing=weight)
        return made

    @classmethod
    def merge(cls, name: str, parts: Sequence[ColumnAccumulator]) -> ColumnAccumulator:
        """All parts together.

        Raises:
            DataError: They are of different types.
        """
        types = {part.type for part in parts}
        if len(types) > 1:
            raise DataError(
                f"column {quoted(name)} is of type {' and '.join(sorted(types))}",
                next_step="give the column one type and read the source again",
            )
        if len(parts) == 1:
            return parts[0]
        made = cls(
            type=parts[0].type,
            values=ValueCounts.merge([part.values for part in parts]),
            total=merged([part.total for part in parts]),
            total_squares=merged([part.total_squares for part in parts]),
            shortest=min((part.shortest for part in parts if part.shortest >= 0), default=-1),
            longest=max(part.longest for part in parts),
        )
        for count in COUNTS:
            setattr(made, count, sum([getattr(part, count) for part in parts]))
        associations = [part.association for part in parts if part.association is not None]
        if len(associations) == len(parts):
            made.association = Contingency.merge(associations)
        weighted = [part.weighted for part in parts if part.weighted is not None]
        if len(weighted) == len(parts):
            made.weighted = cls.merge(name, weighted)
        return made


def column_type(type_: pa.DataType) -> str:
    """The pipeline file's name of an Arrow type, or of the next one that holds its values."""
    if pa.types.is_dictionary(type_):
        return column_type(type_.value_type)
    for name, matches in (
        ("string", (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)),
        ("bytes", (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)),
        ("bool", (pa.types.is_boolean,)),
        ("float64", (pa.types.is_floating, pa.types.is_decimal, pa.types.is_uint64)),
        ("int64", (pa.types.is_integer,)),
        ("date", (pa.types.is_date,)),
        ("timestamp", (pa.types.is_timestamp,)),
    ):
        if any(match(type_) for match in matches):
            return name
    raise DataError(f"columns of type {type_} have no statistics", next_step="choose a type of the pipeline file")


def _of_texts(kind: str, chunks: pa.ChunkedArray, rows: Rows) -> ColumnAccumulator:
    pieces, invalid = [], pa.array([], pa.string())
    for chunk in chunks.chunks:
        if pa.types.is_null(chunk.type):
            chunk = chunk.cast(pa.string())
        piece = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        dictionary, damaged = decoded(piece.dictionary)
        invalid = pa.concat_arrays([invalid, damaged])
        pieces.append(pa.DictionaryArray.from_arrays(piece.indices, dictionary))
    if not pieces or len(invalid):  # an escaped value may equal another: two dictionaries are united
        pieces += [pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))]
    tally = tally_strings(pieces, rows)
    described = strings_of(tally.values, invalid)
    values = bounded(tally.values)
    made = _text_column(kind, values, tally.counts, described)
    if tally.weights is not None:
        made.weighted = _text_column(kind, values, tally.weights, described)
    made.association = tally.association
    return made


def _text_column(kind: str, values: pa.Array, counts: Counts, described: dict[str, Counts]) -> ColumnAccumulator:
    some = counts > 0
    if not bool(some.all()):
        values, counts = values.filter(pa.array(some)), counts[some]
        described = {name: each[some] for name, each in described.items()}
    made = ColumnAccumulator(type=kind, values=ValueCounts.of_counted(values, counts))
    lengths = described["characters"]
    if len(lengths):
        made.shortest, made.longest = int(lengths.min()), int(lengths.max())
    for name, each in described.items():
        setattr(made, name, int(each @ counts))
    return made


def _of_numbers(kind: str, chunks: pa.ChunkedArray, rows: Rows) -> ColumnAccumulator:
    labelled = None if rows.outcome is None else np.bincount(rows.outcome.index, minlength=rows.outcome.width)
    if chunks.null_count:
        rows = rows.where(chunks.is_valid().to_numpy())
        chunks = chunks.drop_null()
    numbers = _as_numbers(chunks, kind)
    nan = infinite = weight_nan = weight_infinite = 0
    if kind == "float64" and not bool((finite := np.isfinite(numbers)).all()):
        is_nan = np.isnan(numbers)
        nan, infinite = int(np.count_nonzero(is_nan)), int(np.count_nonzero(~finite & ~is_nan))
        if rows.weights is not None:
            weight_nan = int(rows.weights[is_nan].sum())
            weight_infinite = int(rows.weights[~finite].sum()) - weight_nan
        numbers, rows = numbers[finite], rows.where(finite)
    tally = tally_numbers(numbers, rows, labelled)
    made = _number_column(kind, tally.values, tally.counts, len(numbers))
    made.nan, made.infinite = nan, infinite
    if tally.weights is not None:
        some = tally.weights > 0
        made.weighted = _number_column(kind, tally.values[some], tally.weights[some], -1)
        made.weighted.nan, made.weighted.infinite = weight_nan, weight_infinite
    made.association = tally.association
    return made


def _number_column(kind: str, values: Numbers, counts: Counts, rows: int) -> ColumnAccumulator:
    if kind == "date":
        values = values * _DAY_MICROSECONDS
    made = ColumnAccumulator(type=kind, values=ValueCounts.of_numbers(values, counts))
    if kind in _SUMMED:
        floats = values.astype(np.float64, copy=False)
        made.zeros = int(counts[floats == 0].sum())
        repeated = None if len(values) == rows else counts
        made.total.add(floats, repeated)
        made.total_squares.add_squares(floats, repeated)
    return made


def _as_numbers(present: pa.ChunkedArray, kind: str) -> Numbers:
    if kind == "float64":
        cast = present.cast(pa.float64(), safe=False)
    elif kind == "date":
        cast = present.cast(pa.date32()).cast(pa.int32())
    elif kind == "timestamp":
        cast = present.cast(pa.timestamp("us", tz=present.type.tz), safe=False).cast(pa.int64())
    elif kind == "bool":
        cast = present.cast(pa.int8())
    else:
        cast = present
    numbers: Numbers = cast.to_numpy()
    return numbers if kind == "float64" else numbers.astype(np.int64, copy=False)
