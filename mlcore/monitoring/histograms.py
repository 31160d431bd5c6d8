"""Days of rows as counts on shared bins: all that the drift decision looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import DataError, quoted

Counts = npt.NDArray[np.int64]

MAX_BINS = 20
"""Numbers are counted in this many bins, equally filled by the reference, unless they have fewer different values."""

MAX_CATEGORIES = 100
"""The most frequent categories of the reference have a bin each, all others share one."""

MISSING = "(missing)"
OTHER = "(other)"


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
    reference: Sequence[pa.Table], current: Sequence[pa.Table], columns: Iterable[str]
) -> tuple[FeatureDays, ...]:
    """Counts of each column by day. The bins are the reference's, so that they do not move with what is judged.

    A missing value and NaN are counted in a bin of their own. A column that a day lacks is missing in all its rows.

    Args:
        reference: One table a day, in time order.
        current: The same for the days that are judged.
        columns: The columns to count: strings, booleans and numbers.

    Raises:
        DataError: There is no day, or a column is of a type that cannot be counted.
    """
    if not reference or not current:
        raise DataError(
            f"{len(reference)} days of reference and {len(current)} current days cannot be compared",
            next_step="choose a moment with at least one span on both sides",
        )
    return tuple(
        _count(name, [_column(day, name) for day in reference], [_column(day, name) for day in current])
        for name in columns
    )


def _column(day: pa.Table, name: str) -> pa.Array | None:
    """The day's values with NaN as missing; ``None`` where the day has no such column."""
    if name not in day.column_names:
        return None
    column = day[name].combine_chunks()
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_boolean(column.type):
        return column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_integer(column.type):
        return column
    raise DataError(
        f"column {name} of type {column.type} cannot be monitored", next_step="choose a column of numbers or strings"
    )


def _count(name: str, reference: list[pa.Array | None], current: list[pa.Array | None]) -> FeatureDays:
    pooled = pa.chunked_array([column for column in reference if column is not None] or [pa.nulls(0, pa.string())])
    binning = _Categories(pooled) if pa.types.is_string(pooled.type) else _Numbers(pooled)
    return FeatureDays(
        feature=name,
        bins=(*binning.labels, MISSING),
        reference=_by_day(binning, reference),
        current=_by_day(binning, current),
    )


def _by_day(binning: _Categories | _Numbers, days: list[pa.Array | None]) -> Counts:
    size = len(binning.labels) + 1
    counts = np.zeros((len(days), size), dtype=np.int64)
    for index, day in enumerate(days):
        if day is not None:
            counts[index, :-1] = binning.count(day.drop_null())
            counts[index, -1] = day.null_count
    return counts


class _Categories:
    """A bin for each frequent value, and one for all others."""

    def __init__(self, pooled: pa.ChunkedArray) -> None:
        values = pc.value_counts(pooled.drop_null().combine_chunks())
        ranked = sorted(values.to_pylist(), key=lambda item: (-item["counts"], item["values"]))
        self._values = pa.array(sorted(item["values"] for item in ranked[:MAX_CATEGORIES]), pa.string())
        self.labels = (*(quoted(value, 60) for value in self._values.to_pylist()), OTHER)

    def count(self, day: pa.Array) -> Counts:
        if not pa.types.is_string(day.type):
            day = day.cast(pa.string())
        index = pc.fill_null(pc.index_in(day, self._values), len(self._values)).to_numpy()
        return np.bincount(index, minlength=len(self._values) + 1)


class _Numbers:
    """Bins with as many values of the reference in each as the values allow."""

    def __init__(self, pooled: pa.ChunkedArray) -> None:
        values, counts = np.unique(pooled.drop_null().cast(pa.float64(), safe=False).to_numpy(), return_counts=True)
        self._edges = _edges(values, counts)
        texts = [f"{edge:.6g}" for edge in self._edges]
        self.labels = tuple(f"{low} to {high}" for low, high in zip(["-inf", *texts], [*texts, "inf"], strict=True))

    def count(self, day: pa.Array) -> Counts:
        numbers = day.cast(pa.float64(), safe=False).to_numpy()
        return np.bincount(np.searchsorted(self._edges, numbers, side="left"), minlength=len(self.labels))


def _edges(values: npt.NDArray[np.float64], counts: Counts) -> npt.NDArray[np.float64]:
    """Upper bounds, inclusive, of all bins but the last."""
    if len(values) <= MAX_BINS:
        # The last value has a bound too: greater ones were never seen.
        return values
    ranks = np.arange(1, MAX_BINS) * counts.sum() / MAX_BINS
    return np.unique(values[np.searchsorted(np.cumsum(counts), ranks)])
