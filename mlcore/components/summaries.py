"""Statistics in the numbers that a schema is inferred from and checked against."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from mlcore.core.window import EPOCH, Span
from mlcore.schema.summary import Bucket, DatasetSummary, FeatureSummary, FeatureType
from mlcore.statistics.accumulate import ColumnAccumulator, DatasetAccumulator
from mlcore.statistics.extract import describe
from mlcore.statistics.summary import Bin, ColumnSummary

_NEAR = 1e-12
_GRAINS = range(-3, 5)
"""Decimals that numbers may be rounded to: thousands to ten thousandths."""


def dataset_summary(
    name: str, dataset: DatasetAccumulator, *, span: Span | None = None, end: datetime | None = None
) -> DatasetSummary:
    """What the schema needs to know of a dataset.

    Args:
        name: What messages call it.
        dataset: Its statistics.
        span: Of a single span: which.
        end: Of a window: its end.
    """
    described = describe(dataset)
    return DatasetSummary(
        name=name,
        rows=described.rows,
        features=tuple(_feature(column, dataset.columns[column.name]) for column in described.columns),
        start=span.start if span else None,
        end=span.end if span else end,
        associations={found.column: found.strength for found in described.associations},
    )


def _feature(column: ColumnSummary, accumulated: ColumnAccumulator) -> FeatureSummary:
    numeric = column.numeric if column.type in ("int64", "float64") else None
    type_ = FeatureType.STRING if column.type == "bytes" else FeatureType(column.type)
    return FeatureSummary(
        name=column.name,
        type=type_,
        rows=column.rows,
        present=column.count,
        nan=accumulated.nan,
        infinite=accumulated.infinite,
        minimum=numeric.minimum if numeric else None,
        maximum=numeric.maximum if numeric else None,
        values=_values(type_, accumulated),
        values_complete=accumulated.values.complete,
        distinct=column.distinct,
        histogram=_buckets(numeric.histogram) if numeric else (),
        quantile_histogram=_buckets(numeric.quantile_histogram) if numeric else (),
        quantiles=numeric.quantiles if numeric else (),
        grains=_grains(accumulated) if type_ is FeatureType.FLOAT else {},
        top_share=_top_share(accumulated),
        invalid=column.string.invalid if column.string else 0,
        newest=_newest(type_, accumulated),
    )


def _values(type_: FeatureType, column: ColumnAccumulator) -> dict[str, int]:
    """How often each string, or truth value, occurs."""
    if type_ not in (FeatureType.STRING, FeatureType.BOOL):
        return {}
    counted = zip(column.values.values.to_pylist(), column.values.counts.tolist(), strict=True)
    if type_ is FeatureType.BOOL:
        return {str(bool(value)).lower(): count for value, count in counted}
    return {_text(value): count for value, count in counted}


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")


def _buckets(bins: tuple[Bin, ...]) -> tuple[Bucket, ...]:
    return tuple(Bucket(low=bin_.low, high=bin_.high, count=bin_.count) for bin_ in bins)


def _grains(column: ColumnAccumulator) -> dict[int, float]:
    counts = column.values.counts
    if not column.values.complete or not len(counts):
        return {}
    numbers = column.values.values.to_numpy(zero_copy_only=False).astype(np.float64)
    total = int(counts.sum())
    rounded = {decimals: np.round(numbers, decimals) for decimals in _GRAINS}
    return {
        decimals: float(counts[np.abs(numbers - near) <= _NEAR * np.abs(near)].sum()) / total
        for decimals, near in rounded.items()
    }


def _top_share(column: ColumnAccumulator) -> float | None:
    present = column.rows - column.missing
    if not present or not len(column.values.counts):
        return None
    return int(column.values.counts.max()) / present


def _newest(type_: FeatureType, column: ColumnAccumulator) -> datetime | None:
    if type_ not in (FeatureType.DATE, FeatureType.TIMESTAMP):
        return None
    greatest = column.values.quantiles([1.0])
    return EPOCH + timedelta(microseconds=greatest[0]) if greatest else None
