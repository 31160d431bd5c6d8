"""What a page of statistics shows: one dataset, or two side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlcore.core.types import Json
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.distributions import BinnedRows, Distribution, distribution
from mlcore.statistics.document import feature_document
from mlcore.statistics.extract import associations, summarise
from mlcore.statistics.summary import ColumnSummary

_TOP = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One dataset of a page.

    Attributes:
        name: What people call it.
        dataset: Its statistics.
    """

    name: str
    dataset: DatasetAccumulator


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureDifference:
    """How far a feature's two sides are apart.

    Attributes:
        distance: From 0, the same, to 1; ``None`` where it was not measured.
        measure: What was measured.
        value: The value that changed most, where there is one.
        missing: Change of the share of rows without a value.
    """

    distance: float | None
    measure: str
    value: str | None
    missing: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page.

    Attributes:
        title: Its heading.
        sides: One dataset, or two.
        differences: Of two datasets: by feature.
    """

    title: str
    sides: tuple[Side, ...]
    differences: Mapping[str, FeatureDifference] = field(default_factory=dict)


def page_document(page: Page) -> dict[str, Json]:
    """The page's values: features in the order of the first dataset, then of the second."""
    columns = [{column.name: column for column in summarise(side.dataset)} for side in page.sides]
    strengths = [{each.column: each.strength for each in associations(side.dataset)} for side in page.sides]
    names = dict.fromkeys(name for side in columns for name in side)
    return {
        "title": page.title,
        "sides": [
            {"name": side.name, "rows": side.dataset.rows, "features": len(side.dataset.columns)} for side in page.sides
        ],
        "label": page.sides[0].dataset.label,
        "features": [
            {
                "name": name,
                "sides": [
                    _side(found.get(name), strength.get(name))
                    for found, strength in zip(columns, strengths, strict=True)
                ],
                "chart": _chart(distribution([side.dataset.columns.get(name) for side in page.sides])),
                "difference": _difference(page.differences.get(name)),
            }
            for name in names
        ],
    }


def _side(column: ColumnSummary | None, strength: float | None) -> Json:
    if column is None:
        return None
    found = feature_document(column, histograms=False)
    found["top"] = [[value, count] for value, count in column.top[:_TOP]]
    if strength is not None:
        found["association"] = strength
    return {key: value for key, value in found.items() if value is not None}


def _difference(difference: FeatureDifference | None) -> Json:
    if difference is None:
        return None
    return {
        "distance": difference.distance,
        "measure": difference.measure,
        "value": difference.value,
        "missing": difference.missing,
    }


def _chart(found: Distribution) -> Json:
    values = found.values
    return {
        "kind": found.kind,
        "bins": _binned(found.bins),
        "middle": _binned(found.middle),
        "values": None
        if values is None
        else {
            "values": list(values.values),
            "counts": [list(counts) for counts in values.counts],
            "others": list(values.others),
        },
    }


def _binned(bins: BinnedRows | None) -> Json:
    if bins is None:
        return None
    return {
        "low": bins.low,
        "high": bins.high,
        "whole": bins.whole,
        "counts": [list(counts) for counts in bins.counts],
        "below": list(bins.below),
        "above": list(bins.above),
    }
