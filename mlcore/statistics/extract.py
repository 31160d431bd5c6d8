"""From accumulators to :mod:`mlcore.statistics.summary`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mlcore.accumulators.exact_sum import square_root
from mlcore.statistics.accumulate import ColumnAccumulator, DatasetAccumulator
from mlcore.statistics.summary import (
    QUANTILES,
    Bin,
    ColumnSummary,
    NumericSummary,
    StatisticsSummary,
    StringSummary,
)

_TOP = 20
_BINS = 10


def describe(dataset: DatasetAccumulator) -> StatisticsSummary:
    """Everything that is known of a dataset."""
    return StatisticsSummary(rows=dataset.rows, columns=summarise(dataset))


def summarise(dataset: DatasetAccumulator) -> tuple[ColumnSummary, ...]:
    """Every column's numbers, in the dataset's order."""
    return tuple(_column(name, column) for name, column in dataset.columns.items())


def _column(name: str, column: ColumnAccumulator) -> ColumnSummary:
    return ColumnSummary(
        name=name,
        type=column.type,
        rows=column.rows,
        count=column.rows - column.missing,
        missing=column.missing,
        distinct=column.values.distinct,
        distinct_exact=column.values.complete,
        top=tuple(column.values.top(_TOP)) if column.values.complete or column.type == "string" else (),
        numeric=_numeric(column) if column.type in ("int64", "float64", "bool") and len(column.values.values) else None,
        string=_string(column) if column.type == "string" and column.rows > column.missing else None,
    )


def _numeric(column: ColumnAccumulator) -> NumericSummary:
    finite = column.rows - column.missing - column.nan - column.infinite
    mean = column.total.fraction() / finite
    variance = max(column.total_squares.fraction() / finite - mean * mean, Fraction(0))
    quantiles = column.values.quantiles(QUANTILES)
    return NumericSummary(
        mean=float(mean),
        std=square_root(variance),
        zeros=column.zeros,
        minimum=quantiles[0],
        maximum=quantiles[-1],
        median=column.values.quantiles([0.5])[0],
        quantiles=tuple(quantiles),
        histogram=_histogram(column, quantiles[0], quantiles[-1]),
        nan=column.nan,
        infinite=column.infinite,
    )


def _histogram(column: ColumnAccumulator, low: float, high: float) -> tuple[Bin, ...]:
    # Halves, because the distance of two floats may be more than a float holds.
    edges = 2 * np.linspace(low / 2, high / 2, _BINS + 1) if high > low else np.array([low, high])
    numbers = column.values.values.to_numpy(zero_copy_only=False)
    index = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(index, weights=column.values.counts, minlength=len(edges) - 1)
    return tuple(_bins(edges.tolist(), counts.tolist()))


def _bins(edges: Sequence[float], counts: Sequence[float]) -> list[Bin]:
    return [
        Bin(low=low, high=high, count=round(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _string(column: ColumnAccumulator) -> StringSummary:
    top = tuple((str(value), count) for value, count in column.values.top(_TOP))
    return StringSummary(top=top, average_length=column.characters / (column.rows - column.missing))
