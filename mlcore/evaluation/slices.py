"""Slices of rows: by columns, crosses of them, ranges of numbers, and buckets of time.

A term of a slice is a column (``origin``), ranges of a number (``distance[500,1000]``: below 500, from 500, from 1000),
or a bucket of a time (``time_hour[month]``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.evaluation import TIME_BUCKETS, SliceTerm, parse_slice_term
from mlcore.errors import ConfigError, quoted
from mlcore.evaluation.sample import Codes
from mlcore.evaluation.values import SliceKey, SliceValue

_FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Coded:
    """A column as numbers.

    Attributes:
        codes: For each row the place of its value in ``values``.
        values: The different values in order; ``None``, for missing ones, is the last.
    """

    codes: Codes
    values: tuple[SliceValue, ...]

    def taken(self, rows: npt.NDArray[np.int64]) -> Coded:
        return Coded(codes=self.codes[rows], values=self.values)


def code(column: pa.Array | pa.ChunkedArray) -> Coded:
    """A number for each row: numbers are in the order of the values, missing last."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    distinct = array.unique().drop_null()
    values = distinct.take(pc.array_sort_indices(distinct))
    codes = pc.fill_null(pc.index_in(array, value_set=values), len(values))
    named: list[SliceValue] = [_plain(value) for value in values.to_pylist()]
    return Coded(codes=codes.to_numpy(zero_copy_only=False).astype(np.int32), values=(*named, None))


def code_terms(table: pa.Table, slices: Sequence[Sequence[str]]) -> dict[str, Coded]:
    """Every term of some slices, each coded once.

    Raises:
        ConfigError: A column is not there, or is no number or time.
    """
    return {text: _code_term(table, text) for terms in slices for text in terms}


def _code_term(table: pa.Table, text: str) -> Coded:
    term = SliceTerm(column=text) if text in table.column_names else parse_slice_term(text)
    if term.column not in table.column_names:
        raise ConfigError(
            f"evaluation.slices: column {quoted(term.column)} is not among the rows' columns",
            where="evaluation.slices",
            next_step=f"choose of {', '.join(table.column_names)}",
        )
    column = table[term.column]
    if term.bucket is not None:
        return _of_time(column, term, term.bucket)
    return _of_number(column, term) if term.edges else code(column)


def _of_number(column: pa.ChunkedArray, term: SliceTerm) -> Coded:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise _unsuitable(term, column, "numbers")
    numbers = column.cast(pa.float64()).to_numpy()
    edges = term.edges
    codes = np.searchsorted(edges, numbers, side="right").astype(np.int32)
    codes[np.isnan(numbers)] = len(edges) + 1
    between = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return Coded(codes=codes, values=(f"below {edges[0]:g}", *between, f"from {edges[-1]:g}", None))


def _of_time(column: pa.ChunkedArray, term: SliceTerm, bucket: str) -> Coded:
    if not pa.types.is_temporal(column.type):
        raise _unsuitable(term, column, "times")
    moments = column.cast(pa.timestamp("s", tz="UTC") if _zoned(column.type) else pa.timestamp("s"), safe=False)
    if bucket == "hour_of_day":
        return code(pc.hour(moments))
    if bucket == "day_of_week":
        return code(pc.day_of_week(moments))
    floored = pc.floor_temporal(moments, unit=bucket)
    coded = code(floored)
    names = pc.strftime(pa.array(_moments(floored), floored.type), format=_FORMATS[bucket]).to_pylist()
    return Coded(codes=coded.codes, values=(*names, None))


def _moments(column: pa.ChunkedArray) -> pa.Array:
    distinct = column.unique().drop_null()
    return distinct.take(pc.array_sort_indices(distinct))


def _zoned(type_: pa.DataType) -> bool:
    return pa.types.is_timestamp(type_) and type_.tz is not None


def _unsuitable(term: SliceTerm, column: pa.ChunkedArray, wanted: str) -> ConfigError:
    return ConfigError(
        f"evaluation.slices: {quoted(str(term))} needs {wanted}, and column {quoted(term.column)} is {column.type}",
        where="evaluation.slices",
        next_step=f"cut numbers by ranges such as [500,1000], times by one of {', '.join(TIME_BUCKETS)}",
    )


def members(
    coded: Mapping[str, Coded], slices: Sequence[Sequence[str]]
) -> Iterator[tuple[SliceKey, npt.NDArray[np.int64]]]:
    """Every slice but that of all rows, and its rows in their order: each combination of values that there is."""
    for terms in dict.fromkeys(tuple(terms) for terms in slices if terms):
        yield from _of_family(terms, [coded[term] for term in terms])


def _of_family(terms: Sequence[str], coded: Sequence[Coded]) -> Iterator[tuple[SliceKey, npt.NDArray[np.int64]]]:
    combined = coded[0].codes.astype(np.int64)
    for each in coded[1:]:
        combined = combined * len(each.values) + each.codes
    kinds = int(np.prod([len(each.values) for each in coded], dtype=np.float64))
    # Sixteen bits are sorted by counting, in linear time.
    order = np.argsort(combined.astype(np.uint16) if kinds <= 2**16 else combined, kind="stable")
    ordered = combined[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    for rows in np.split(order, starts[1:]):
        first = int(rows[0])
        key = tuple((term, each.values[each.codes[first]]) for term, each in zip(terms, coded, strict=True))
        yield key, rows


def _plain(value: object) -> SliceValue:
    return value if isinstance(value, (str, int, bool)) else str(value)
