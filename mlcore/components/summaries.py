"""Statistics in the few numbers that a schema is checked against."""

from __future__ import annotations

from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType
from mlcore.statistics.accumulate import ColumnAccumulator, DatasetAccumulator


def dataset_summary(name: str, dataset: DatasetAccumulator) -> DatasetSummary:
    """What the schema needs to know of a dataset."""
    features = tuple(_feature(column, accumulated) for column, accumulated in dataset.columns.items())
    return DatasetSummary(name=name, rows=dataset.rows, features=features)


def _feature(name: str, column: ColumnAccumulator) -> FeatureSummary:
    text = column.type == "string"
    numbers = column.type in ("int64", "float64") and len(column.values.values) > 0
    extremes = column.values.quantiles([0.0, 1.0]) if numbers else (None, None)
    counts = dict(zip(column.values.values.to_pylist(), column.values.counts.tolist(), strict=True)) if text else {}
    return FeatureSummary(
        name=name,
        type=FeatureType(column.type),
        rows=column.rows,
        present=column.rows - column.missing,
        nan=column.nan,
        infinite=column.infinite,
        minimum=extremes[0],
        maximum=extremes[1],
        values=counts,
        values_complete=column.values.complete,
    )
