"""The different values of a column's rows and how many rows have each: what all accumulators are made of.

Most columns repeat few values, so that everything after counting is cheap. Counting costs, by what the values are:
integers close to each other 1 ns a row, strings in dictionaries the same, other numbers 12 ns (they are sorted).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.contingency import MOST, Bins, Contingency, Keys, number_keys, text_keys

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]
"""Of float64 or int64."""
Mask = npt.NDArray[np.bool_]
_CELLS_A_ROW = 4
_FEW_CELLS = 1 << 16
_MOST_DENSE = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """The label of every row: its bin, or as many as there are bins where the row has none."""

    bins: Bins
    index: Counts

    @property
    def width(self) -> int:
        return len(self.bins.keys) + 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """What every row of a chunk has beside a column's value.

    Attributes:
        weights: In whole steps.
    """

    count: int
    outcome: Outcome | None = None
    weights: Counts | None = None

    def where(self, chosen: Mask) -> Rows:
        """Some of the rows."""
        outcome = self.outcome
        return Rows(
            count=int(np.count_nonzero(chosen)),
            outcome=outcome and Outcome(bins=outcome.bins, index=outcome.index[chosen]),
            weights=None if self.weights is None else self.weights[chosen],
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tally:
    """Different values, and for each its rows.

    Attributes:
        values: Numbers sorted, strings in any order.
        counts: Rows of each.
        weights: Weight of each, where there are weights.
        association: With the label, where there is one.
    """

    values: Numbers | pa.Array
    counts: Counts
    weights: Counts | None = None
    association: Contingency | None = None


def tally_numbers(numbers: Numbers, rows: Rows, labelled: Counts | None = None) -> Tally:
    """Count finite numbers.

    Args:
        numbers: One for each of ``rows``.
        rows: The rows that have a number.
        labelled: Where there is a label: by outcome, the rows that have a number and the ones that have none.
    """
    integers = _integers(numbers)
    dense = None if integers is None else _dense(integers, rows)
    if dense is not None and integers is not None:
        low, cells = dense
        return _tally_dense(integers, low, cells, rows, labelled, numbers.dtype)
    return _tally_sorted(numbers, rows, labelled)


def tally_strings(pieces: Sequence[pa.DictionaryArray], rows: Rows) -> Tally:
    """Count the strings of dictionaries; nulls are left out."""
    width = rows.outcome.width if rows.outcome else 1
    tables, weights, start = [], [], 0
    for piece in pieces:
        part = slice(start, start + len(piece))
        start += len(piece)
        codes = piece.indices.fill_null(-1) if piece.null_count else piece.indices
        index = codes.to_numpy(zero_copy_only=False).astype(np.int64) + 1
        size = len(piece.dictionary) + 1
        tables.append(_table(index, rows.outcome.index[part] if rows.outcome else None, size, width))
        if rows.weights is not None:
            weights.append(_weighed(index, rows.weights[part], size)[1:])
    missing = sum((table[0] for table in tables), start=np.zeros(width, np.int64))
    table = np.concatenate([table[1:] for table in tables])
    weight = np.concatenate(weights) if weights else None
    values, table, weight = _united([piece.dictionary for piece in pieces], table, weight)
    association = None
    if rows.outcome:
        association = Contingency.of_unsorted(text_keys(values), rows.outcome.bins, table[:, :-1], missing[:-1])
    return Tally(values=values, counts=table.sum(axis=1), weights=weight, association=association)


def _integers(numbers: Numbers) -> Counts | None:
    """The numbers as integers, where all of them are integers that are not far from zero."""
    if numbers.dtype == np.int64:
        return numbers
    if not len(numbers) or numbers[0] != np.trunc(numbers[0]):
        return None
    if max(abs(float(numbers.min())), abs(float(numbers.max()))) > _MOST_DENSE:
        return None
    integers: Counts = numbers.astype(np.int64)
    return integers if bool((integers == numbers).all()) else None


def _dense(integers: Counts, rows: Rows) -> tuple[int, int] | None:
    """The lowest integer and how many there are up to the highest, where so many can be counted in a table."""
    if not len(integers):
        return None
    low, high = int(integers.min()), int(integers.max())
    cells = high - low + 1
    width = rows.outcome.width if rows.outcome else 1
    return (low, cells) if cells * width <= max(_CELLS_A_ROW * len(integers), _FEW_CELLS) else None


def _tally_dense(
    integers: Counts, low: int, cells: int, rows: Rows, labelled: Counts | None, type_: np.dtype[np.generic]
) -> Tally:
    index = integers - low
    outcome = rows.outcome
    table = _table(index, outcome.index if outcome else None, cells, outcome.width if outcome else 1)
    counts = table.sum(axis=1)
    some = np.flatnonzero(counts)
    values: Numbers = (some + low).astype(type_)
    weights = None if rows.weights is None else _weighed(index, rows.weights, cells)[some]
    association = None
    if rows.outcome and labelled is not None:
        missing = (labelled - table.sum(axis=0))[:-1]
        keys = number_keys(values.astype(np.float64))
        association = Contingency.of_unsorted(keys, rows.outcome.bins, table[some, :-1], missing)
    return Tally(values=values, counts=counts[some], weights=weights, association=association)


def _tally_sorted(numbers: Numbers, rows: Rows, labelled: Counts | None) -> Tally:
    numbers = numbers + numbers.dtype.type(0)  # -0.0 becomes 0.0
    weights = None
    if rows.weights is None:
        ordered = np.sort(numbers)
        starts = _starts(ordered)
    else:
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        starts = _starts(ordered)
        weights = np.add.reduceat(rows.weights[order], starts) if len(starts) else rows.weights
    values = ordered[starts]
    association = None
    if rows.outcome and labelled is not None:
        bins, table = _joint(numbers, values, rows.outcome)
        missing = (labelled - table.sum(axis=0))[:-1]
        association = Contingency.of(bins, rows.outcome.bins, table[:, :-1], missing)
    return Tally(values=values, counts=np.diff(starts, append=len(ordered)), weights=weights, association=association)


def _joint(numbers: Numbers, values: Numbers, outcome: Outcome) -> tuple[Bins, Counts]:
    """Few bins, and the rows of each by outcome."""
    bins = Bins(number_keys(_different(values.astype(np.float64, copy=False)))).at_most(MOST)
    keys = number_keys(numbers.astype(np.float64, copy=False))
    enough = bins.bits or _indistinct_bits(bins.keys)
    places = bins.keys >> (enough - bins.bits)
    keys >>= enough
    if len(places) and int(places[-1]) - int(places[0]) < _MOST_DENSE:
        low = int(places[0])
        table = np.zeros(int(places[-1]) - low + 1, np.int64)
        table[places - low] = np.arange(len(places))
        index = table[keys - low]
    else:
        index = np.searchsorted(places, keys)
    return bins, _table(index, outcome.index, len(bins.keys), outcome.width)


def _indistinct_bits(keys: Keys) -> int:
    """How many low bits are not needed to tell sorted keys apart."""
    if len(keys) < 2:
        return 0
    return int((keys[1:] ^ keys[:-1]).view(np.uint64).min()).bit_length() - 1


def _table(index: Counts, outcome: Counts | None, size: int, width: int) -> Counts:
    """Rows by index and outcome."""
    cells = index if outcome is None else index * width + outcome
    return np.bincount(cells, minlength=size * width).reshape(size, width)


def _weighed(index: Counts, weights: Counts, size: int) -> Counts:
    """The sum of weights by index; in two halves, because the sums of ``bincount`` are floats."""
    low = np.bincount(index, weights=weights & 0xFFFFFFFF, minlength=size).astype(np.int64)
    return low + (np.bincount(index, weights=weights >> 32, minlength=size).astype(np.int64) << 32)


def _united(
    dictionaries: Sequence[pa.Array], table: Counts, weights: Counts | None
) -> tuple[pa.Array, Counts, Counts | None]:
    """Each string of the dictionaries once, without those that no row has."""
    values = pa.concat_arrays([_text(each) for each in dictionaries])
    if len(dictionaries) > 1:
        encoded = values.dictionary_encode()
        values, index = encoded.dictionary, encoded.indices.to_numpy()
        table = _added(table, index, len(values))
        weights = None if weights is None else _added(weights, index, len(values))
    some = table.any(axis=1)
    if bool(some.all()):
        return values, table, weights
    return values.filter(pa.array(some)), table[some], None if weights is None else weights[some]


def _text(dictionary: pa.Array) -> pa.Array:
    return dictionary if pa.types.is_string(dictionary.type) else pc.cast(dictionary, pa.string())


def _added(counts: Counts, index: Counts, size: int) -> Counts:
    total = np.zeros((size, *counts.shape[1:]), np.int64)
    np.add.at(total, index, counts)
    return total


def _different(ordered: Numbers) -> Numbers:
    return ordered[_starts(ordered)]


def _starts(ordered: Numbers) -> Counts:
    return np.flatnonzero(np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]]))
