"""One column of one or more datasets, counted on common bins or by common values: for charts side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.statistics.accumulate import ColumnAccumulator

BINS = 30
VALUES = 10
_FEW = 12
"""Whole numbers of no more different values have a bar each."""
_TAILS = (0.01, 0.99)
_STRETCHED = 4.0
"""A range so many times as wide as the middle 98 % gets a second look at the middle."""
_TEXTS = ("string", "bytes")
_NUMBERS = ("int64", "float64")
_TIMES = ("date", "timestamp")

Kind = Literal["numbers", "texts", "truth values", "times"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BinnedRows:
    """Bins of equal width from ``low`` to ``high``.

    Attributes:
        whole: Whether they are of whole numbers: their bounds are half-way between two.
        counts: Rows by dataset and bin.
        below, above: Rows by dataset that are beyond the bins.
    """

    low: float
    high: float
    whole: bool
    counts: tuple[tuple[int, ...], ...]
    below: tuple[int, ...]
    above: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CountedValues:
    """Single values.

    Attributes:
        values: Texts as they are, numbers as they are written.
        counts: Rows by dataset and value.
        others: Rows by dataset with any other value.
    """

    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """What a chart of one column shows; nothing where the datasets hold no values of one kind.

    Attributes:
        kind: What kind of values these are; ``None`` where the datasets' differ.
        bins: Of numbers and times (microseconds since 1970).
        middle: Of numbers whose tails are long: the bins of the middle 98 % of the rows.
        values: Of texts, truth values, and few whole numbers.
    """

    kind: Kind | None
    bins: BinnedRows | None = None
    middle: BinnedRows | None = None
    values: CountedValues | None = None


def kind_of(type_: str) -> Kind:
    """The kind of a column's values: those of one kind can be compared."""
    if type_ in _TEXTS:
        return "texts"
    if type_ in _TIMES:
        return "times"
    return "numbers" if type_ in _NUMBERS else "truth values"


def distribution(columns: Sequence[ColumnAccumulator | None]) -> Distribution:
    """The column in each dataset, ``None`` where a dataset lacks it."""
    kinds = {kind_of(column.type) for column in columns if column is not None and len(column.values.values)}
    if len(kinds) != 1:
        return Distribution(kind=None)
    kind = kinds.pop()
    if kind == "texts":
        return Distribution(kind=kind, values=_most_frequent(columns))
    if kind == "truth values" or _are_few(columns):
        return Distribution(kind=kind, values=_each(columns, truth=kind == "truth values"))
    whole = all(column is None or column.type == "int64" for column in columns)
    low, high = _range(columns, (0.0, 1.0))
    middle_low, middle_high = _range(columns, _TAILS)
    stretched = kind == "numbers" and middle_high > middle_low
    stretched = stretched and high / 2 - low / 2 > _STRETCHED * (middle_high / 2 - middle_low / 2)
    return Distribution(
        kind=kind,
        bins=_binned(columns, low, high, whole=whole),
        middle=_binned(columns, middle_low, middle_high, whole=whole) if stretched else None,
    )


def _are_few(columns: Sequence[ColumnAccumulator | None]) -> bool:
    """Whether the columns hold few different whole numbers."""
    present = [column for column in columns if column is not None]
    if any(column.type != "int64" or not column.values.complete for column in present):
        return False
    return len(np.unique(np.concatenate([_numbers(column) for column in present]))) <= _FEW


def _most_frequent(columns: Sequence[ColumnAccumulator | None]) -> CountedValues:
    """The most frequent values of all datasets by their greatest share in any, ties by value."""
    shares: dict[str, float] = {}
    for column in columns:
        if column is None:
            continue
        rows = max(column.rows - column.missing, 1)
        for value, count in column.values.top(VALUES):
            shares[str(value)] = max(shares.get(str(value), 0.0), count / rows)
    values = sorted(shares, key=lambda value: (-shares[value], value))[:VALUES]
    return _counted(columns, pa.array(values, pa.string()), values)


def _each(columns: Sequence[ColumnAccumulator | None], *, truth: bool) -> CountedValues:
    present = [column for column in columns if column is not None]
    if truth:
        return _counted(columns, pa.array([0, 1], pa.int64()), ["false", "true"])
    numbers = np.unique(np.concatenate([column.values.values.to_numpy(zero_copy_only=False) for column in present]))
    return _counted(columns, pa.array(numbers), [str(number) for number in numbers.tolist()])


def _counted(columns: Sequence[ColumnAccumulator | None], values: pa.Array, names: Sequence[str]) -> CountedValues:
    counts, others = [], []
    for column in columns:
        found = [0] * len(values)
        rows = 0
        if column is not None and len(column.values.values):
            rows = column.rows - column.missing
            places = pc.index_in(values.cast(column.values.values.type), value_set=column.values.values).to_pylist()
            found = [0 if place is None else int(column.values.counts[place]) for place in places]
        counts.append(tuple(found))
        others.append(max(rows - sum(found), 0))
    return CountedValues(values=tuple(names), counts=tuple(counts), others=tuple(others))


def _range(columns: Sequence[ColumnAccumulator | None], shares: tuple[float, float]) -> tuple[float, float]:
    """From the least to the greatest of the columns' quantiles."""
    found = [column.values.quantiles(shares) for column in columns if column is not None and len(column.values.values)]
    return min(low for low, _ in found), max(high for _, high in found)


def _binned(columns: Sequence[ColumnAccumulator | None], low: float, high: float, *, whole: bool) -> BinnedRows:
    low, high, bins = _whole_bins(low, high) if whole else (low, high, BINS if high > low else 1)
    # Halves, because the distance of two floats may be more than a float holds.
    edges = 2 * np.linspace(low / 2, high / 2, bins + 1) if high > low else np.array([low, high])
    counted = [_in_bins(column, edges) for column in columns]
    return BinnedRows(
        low=low,
        high=high,
        whole=whole,
        counts=tuple(counts for counts, _, _ in counted),
        below=tuple(below for _, below, _ in counted),
        above=tuple(above for _, _, above in counted),
    )


def _whole_bins(low: float, high: float) -> tuple[float, float, int]:
    """Bounds half-way between whole numbers, so that every bin holds as many of them."""
    width = max(math.ceil((high - low + 1) / BINS), 1)
    bins = max(math.ceil((high - low + 1) / width), 1)
    return low - 0.5, low - 0.5 + width * bins, bins


def _in_bins(column: ColumnAccumulator | None, edges: npt.NDArray[np.float64]) -> tuple[tuple[int, ...], int, int]:
    bins = len(edges) - 1
    if column is None or not len(column.values.values):
        return (0,) * bins, 0, 0
    numbers, counts = _numbers(column), column.values.counts
    below, above = numbers < edges[0], numbers > edges[-1]
    inside = ~(below | above)
    index = np.clip(np.searchsorted(edges, numbers[inside], side="right") - 1, 0, bins - 1)
    rows = np.bincount(index, weights=counts[inside], minlength=bins).astype(np.int64)
    return tuple(rows.tolist()), int(counts[below].sum()), int(counts[above].sum())


def _numbers(column: ColumnAccumulator) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = column.values.values.to_numpy(zero_copy_only=False).astype(np.float64)
    return numbers
