"""From accumulators to :mod:`mlcore.statistics.summary`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from mlcore.accumulators.exact_sum import square_root
from mlcore.accumulators.value_counts import ValueCounts
from mlcore.statistics.accumulate import WEIGHT_STEPS, DatasetAccumulator
from mlcore.statistics.columns import TEXTS, TIMES, ColumnAccumulator
from mlcore.statistics.summary import (
    QUANTILES,
    Association,
    Bin,
    BooleanSummary,
    ColumnSummary,
    Gap,
    MissingTogether,
    NumericSummary,
    SliceSummary,
    StatisticsSummary,
    StringSummary,
    TimeSummary,
    Value,
    WeightedSummary,
)

_TOP = 20
_RANKS = 1_000
_BINS = 10
_GAPS = 5
_ROWS_A_BIN = 8
"""Bins of numbers with fewer rows on average say more of chance than of the label."""
_MEDIAN = len(QUANTILES) // 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = ("int64", "float64", "bool")


def describe(dataset: DatasetAccumulator) -> StatisticsSummary:
    """Everything that is known of a dataset."""
    return StatisticsSummary(
        rows=dataset.rows,
        columns=summarise(dataset),
        weight=None if dataset.weight is None else dataset.weight / WEIGHT_STEPS,
        associations=associations(dataset),
        missing_together=_missing_together(dataset),
        slices=tuple(
            SliceSummary(column=key.column, value=key.value, rows=part.rows, columns=summarise(part))
            for key, part in dataset.slices.items()
        ),
    )


def summarise(dataset: DatasetAccumulator) -> tuple[ColumnSummary, ...]:
    """Every column's numbers, in the dataset's order."""
    return tuple(_column(name, column) for name, column in dataset.columns.items())


def associations(dataset: DatasetAccumulator) -> tuple[Association, ...]:
    """How much of the label each column tells, most first; a column that always is missing tells nothing."""
    label = dataset.columns.get(dataset.label or "")
    if label is None:
        return ()
    # No more different values than outcomes are told apart: classes, whether they are numbers or not.
    classes = label.type in TEXTS or label.type == "bool" or (label.values.complete and label.values.distinct <= 32)
    found = []
    for name, column in dataset.columns.items():
        if (each := column.association) is not None:
            if column.type not in TEXTS:
                each = each.at_most(max(each.rows // _ROWS_A_BIN, 2))
            strength = each.mutual_information() if classes else each.correlation_ratio()
            kind = "mutual_information" if classes else "correlation_ratio"
            found.append(Association(column=name, kind=kind, strength=strength, rows=each.rows))
    return tuple(sorted(found, key=lambda each: (-each.strength, each.column)))


def _missing_together(dataset: DatasetAccumulator) -> tuple[MissingTogether, ...]:
    found = []
    for (first, second), rows in dataset.missing.items():
        either = dataset.columns[first].missing + dataset.columns[second].missing - rows
        found.append(MissingTogether(first=first, second=second, rows=rows, overlap=rows / either))
    return tuple(sorted(found, key=lambda pair: (-pair.overlap, pair.first, pair.second)))


def _column(name: str, column: ColumnAccumulator) -> ColumnSummary:
    count = column.rows - column.missing
    spilled = column.values.spilled
    apart = spilled is None or column.type in TEXTS
    return ColumnSummary(
        name=name,
        type=column.type,
        rows=column.rows,
        count=count,
        missing=column.missing,
        distinct=column.values.distinct,
        distinct_exact=column.values.complete,
        top=_top(column) if apart else (),
        top_error=spilled.error if spilled else 0,
        ranks=tuple(column.values.ranks(_RANKS)) if apart else (),
        nan=column.nan,
        infinite=column.infinite,
        numeric=_numeric(column) if column.type in _NUMBERS and len(column.values.values) else None,
        string=_string(column) if column.type in TEXTS and count else None,
        time=_time(column) if column.type in TIMES and count else None,
        boolean=_boolean(column) if column.type == "bool" and count else None,
        weighted=None if column.weighted is None else _weighted(column.weighted),
    )


def _top(column: ColumnAccumulator) -> tuple[tuple[Value, int], ...]:
    return tuple((_value(column.type, value), count) for value, count in column.values.top(_TOP))


def _value(kind: str, value: str | float) -> Value:
    if kind == "bool":
        return bool(value)
    if kind == "timestamp":
        return _moment(value).isoformat()
    return _moment(value).date().isoformat() if kind == "date" else value


def _numeric(column: ColumnAccumulator) -> NumericSummary:
    finite = column.rows - column.missing - column.nan - column.infinite
    mean, std = _moments(column, finite)
    values = column.values.divided()
    quantiles = values.quantiles(QUANTILES)
    return NumericSummary(
        mean=mean,
        std=std,
        zeros=column.zeros,
        minimum=quantiles[0],
        maximum=quantiles[-1],
        median=quantiles[_MEDIAN],
        quantiles=tuple(quantiles),
        histogram=_histogram(values, quantiles[0], quantiles[-1]),
        quantile_histogram=_quantile_histogram(values, quantiles),
        nan=column.nan,
        infinite=column.infinite,
    )


def _moments(column: ColumnAccumulator, rows: int) -> tuple[float, float]:
    mean = column.total.fraction() / rows
    variance = max(column.total_squares.fraction() / rows - mean * mean, Fraction(0))
    return float(mean), square_root(variance)


def _histogram(values: ValueCounts, low: float, high: float) -> tuple[Bin, ...]:
    # Halves, because the distance of two floats may be more than a float holds.
    edges = 2 * np.linspace(low / 2, high / 2, _BINS + 1) if high > low else np.array([low, high])
    index = np.clip(np.searchsorted(edges, _numbers(values), side="right") - 1, 0, len(edges) - 2)
    return _bins(edges.tolist(), np.bincount(index, weights=values.counts, minlength=len(edges) - 1).tolist())


def _quantile_histogram(values: ValueCounts, quantiles: Sequence[float]) -> tuple[Bin, ...]:
    """Rows up to each decile that are above the one before; all rows of a value are in its first bin."""
    numbers = _numbers(values)
    reached = np.concatenate([[0], np.cumsum(values.counts)])
    up_to = reached[np.searchsorted(numbers, quantiles, side="right")]
    up_to[0], up_to[-1] = 0, reached[-1]
    return _bins(list(quantiles), np.diff(up_to).tolist())


def _bins(edges: Sequence[float], counts: Sequence[float]) -> tuple[Bin, ...]:
    return tuple(
        Bin(low=low, high=high, count=round(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def _string(column: ColumnAccumulator) -> StringSummary:
    return StringSummary(
        top=tuple((str(value), count) for value, count in column.values.top(_TOP)),
        average_length=column.characters / (column.rows - column.missing),
        shortest=column.shortest,
        longest=column.longest,
        empty=column.empty,
        blank=column.blank,
        padded=column.padded,
        non_ascii=column.non_ascii,
        damaged=column.damaged,
        invalid=column.invalid,
    )


def _time(column: ColumnAccumulator) -> TimeSummary:
    values = column.values.divided()
    quantiles = [_moment(value) for value in values.quantiles(QUANTILES)]
    low, high = values.quantiles((0.0, 1.0))
    counts = [bin_.count for bin_ in _histogram(values, low, high)]
    return TimeSummary(
        minimum=quantiles[0],
        maximum=quantiles[-1],
        median=quantiles[_MEDIAN],
        quantiles=tuple(quantiles),
        histogram=tuple(counts),
        gaps=_gaps(_numbers(values)),
        future=column.future,
    )


def _gaps(moments: npt.NDArray[np.float64]) -> tuple[Gap, ...]:
    """The longest stretches, longest first, equals in time order."""
    lengths = np.diff(moments)
    longest = np.argsort(-lengths, kind="stable")[:_GAPS].tolist()
    return tuple(Gap(start=_moment(moments[place]), end=_moment(moments[place + 1])) for place in longest)


def _boolean(column: ColumnAccumulator) -> BooleanSummary:
    return BooleanSummary(true=column.rows - column.missing - column.zeros, false=column.zeros)


def _weighted(column: ColumnAccumulator) -> WeightedSummary:
    finite = column.rows - column.missing - column.nan - column.infinite
    numeric = column.type in _NUMBERS and finite > 0
    mean, std = _moments(column, finite) if numeric else (None, None)
    quantiles = tuple(column.values.quantiles(QUANTILES)) if numeric else ()
    apart = column.values.complete or column.type in TEXTS
    return WeightedSummary(
        count=(column.rows - column.missing) / WEIGHT_STEPS,
        missing=column.missing / WEIGHT_STEPS,
        mean=mean,
        std=std,
        median=quantiles[_MEDIAN] if numeric else None,
        quantiles=quantiles,
        top=tuple((value, count / WEIGHT_STEPS) for value, count in _top(column)) if apart else (),
    )


def _numbers(values: ValueCounts) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = values.values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return numbers


def _moment(microseconds: str | float) -> datetime:
    """The moment, or the nearest one that can be written."""
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds))
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if float(microseconds) < 0 else datetime.max.replace(tzinfo=UTC)
