"""Days of values as counts on shared bins: all that the drift decision looks at.

A day's values may come counted, as its statistics have them, so that judging drift reads no row; or as its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.value_counts import ValueCounts
from mlcore.errors import DataError, quoted

Counts = npt.NDArray[np.int64]
Edges = npt.NDArray[np.float64]

MAX_BINS = 20
"""Numbers are counted in this many bins, equally filled by the reference, unless they have fewer different values."""

MAX_CATEGORIES = 100
"""The most frequent categories of the reference have a bin each, all others share one."""

MISSING = "(missing)"
OTHER = "(other)"


@dataclass(frozen=True, kw_only=True, slots=True)
class DayColumn:
    """One column on one day.

    Attributes:
        values: Counts of its strings or finite numbers.
        present: Rows with such a value: more than ``values`` counts where it does not hold every string.
        rows: Rows of the day; those without a value, and with NaN or infinity, are counted as missing.
    """

    values: ValueCounts
    present: int
    rows: int


Day = Mapping[str, DayColumn]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FeatureDays:
    """One feature's counts by day.

    Attributes:
        feature: The column.
        bins: What each bin holds, for people.
        reference: Counts by day and bin, one row a day in time order.
        current: The same for the days that are judged.
    """

    feature: str
    bins: tuple[str, ...]
    reference: Counts
    current: Counts

    def __post_init__(self) -> None:
        for name, counts in (("reference", self.reference), ("current", self.current)):
            if counts.ndim != 2 or counts.shape[1] != len(self.bins):
                raise ValueError(f"{self.feature}: {name} has shape {counts.shape} for {len(self.bins)} bins")


def count_days(
    reference: Sequence[pa.Table], current: Sequence[pa.Table], columns: Sequence[str]
) -> tuple[FeatureDays, ...]:
    """The counts of days of rows; see :func:`count_values`."""
    return count_values(
        [day_columns(day, columns) for day in reference], [day_columns(day, columns) for day in current], columns
    )


def count_values(
    reference: Sequence[Day],
    current: Sequence[Day],
    columns: Iterable[str],
    *,
    pooled: Mapping[str, ValueCounts] | None = None,
) -> tuple[FeatureDays, ...]:
    """Counts of each column by day. The bins are the reference's, so that they do not move with what is judged.

    Args:
        reference: The days the champion was trained on, in time order.
        current: The days that are judged.
        columns: Which columns to count.
        pooled: The values of all reference days together by column, where they were merged before.

    Raises:
        DataError: There is no day, or a column is missing on a day, or is text on one day and numbers on another.
    """
    if not reference or not current:
        raise DataError(
            f"{len(reference)} days of reference and {len(current)} current days cannot be compared",
            next_step="choose a moment with at least one span on both sides",
        )
    known = pooled or {}
    return tuple(_count(name, _days(name, reference), _days(name, current), known.get(name)) for name in columns)


def day_columns(rows: pa.Table, columns: Iterable[str]) -> Day:
    """The counted values of those columns that the rows have."""
    return {name: _day_column(rows[name]) for name in columns if name in rows.column_names}


def _day_column(column: pa.ChunkedArray) -> DayColumn:
    present = column.drop_null().combine_chunks()
    if pa.types.is_floating(present.type):
        present = present.filter(pc.is_finite(present))
    elif not pa.types.is_string(present.type):
        present = present.cast(pa.int64())
    return DayColumn(values=ValueCounts.of(present), present=len(present), rows=len(column))


def _days(name: str, days: Sequence[Day]) -> list[DayColumn]:
    try:
        return [day[name] for day in days]
    except KeyError as error:
        raise DataError(
            f"column {name} has no statistics on one of the days",
            next_step="run the pipeline again, so that all days are read with the same columns",
        ) from error


def _count(name: str, reference: list[DayColumn], current: list[DayColumn], pooled: ValueCounts | None) -> FeatureDays:
    kinds = {pa.types.is_string(day.values.values.type) for day in [*reference, *current]}
    if len(kinds) > 1:
        raise DataError(
            f"column {name} is text on some days and numbers on others",
            next_step="run the pipeline again, so that all days are read with the same types",
        )
    pooled = ValueCounts.merge([day.values for day in reference]) if pooled is None else pooled
    binning: _Categories | _Numbers = _Categories(pooled) if kinds.pop() else _Numbers(pooled)
    return FeatureDays(
        feature=name,
        bins=(*binning.labels, MISSING),
        reference=np.array([_bins(binning, day) for day in reference]),
        current=np.array([_bins(binning, day) for day in current]),
    )


def _bins(binning: _Categories | _Numbers, day: DayColumn) -> Counts:
    index = binning.index(day.values.values)
    counts = np.bincount(index, weights=day.values.counts, minlength=len(binning.labels)).astype(np.int64)
    counts[-1] += day.present - counts.sum()  # strings too rare to be kept are others; of numbers all are kept
    return np.append(counts, day.rows - day.present)


class _Categories:
    """A bin for each frequent value, and one for all others."""

    def __init__(self, pooled: ValueCounts) -> None:
        self._values = pa.array(sorted(str(value) for value, _ in pooled.top(MAX_CATEGORIES)), pa.string())
        self.labels = (*(quoted(value, 60) for value in self._values.to_pylist()), OTHER)

    def index(self, values: pa.Array) -> Counts:
        found: Counts = pc.fill_null(pc.index_in(values, self._values), len(self._values)).to_numpy()
        return found


class _Numbers:
    """Bins with as many values of the reference in each as the values allow."""

    def __init__(self, pooled: ValueCounts) -> None:
        self._edges = _edges(_floats(pooled.values), pooled.counts)
        texts = [f"{edge:.6g}" for edge in self._edges]
        if len(pooled.values) <= MAX_BINS:
            self.labels: tuple[str, ...] = (*texts, f"over {texts[-1]}" if texts else "any number")
        else:
            between = (f"{low} to {high}" for low, high in pairwise(texts))
            self.labels = (f"up to {texts[0]}", *between, f"over {texts[-1]}")

    def index(self, values: pa.Array) -> Counts:
        return np.searchsorted(self._edges, _floats(values), side="left")


def _edges(values: Edges, counts: Counts) -> Edges:
    """Upper bounds, inclusive, of all bins but the last.

    With few values each has a bin, together with what lies below it and was never seen; greater ones have the last.
    """
    if len(values) <= MAX_BINS:
        return values
    ranks = np.arange(1, MAX_BINS) * counts.sum() / MAX_BINS
    return np.unique(values[np.searchsorted(np.cumsum(counts), ranks)])


def _floats(values: pa.Array) -> Edges:
    numbers: Edges = values.cast(pa.float64(), safe=False).to_numpy()
    return numbers
