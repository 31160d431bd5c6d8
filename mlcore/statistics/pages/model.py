"""What a page of statistics shows: one dataset, or two side by side; of one dataset also its slices beside the whole.

The page has views, of which one is shown at a time: each is of one side, or of two that are compared.
"""

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
        bad_rows: Rows in quarantine by reason, which are not among them.
    """

    name: str
    dataset: DatasetAccumulator
    bad_rows: Mapping[str, int] = field(default_factory=dict)


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
class Slice:
    """Some of the first side's rows, shown beside all of them.

    Attributes:
        side: Those rows.
        differences: By feature, from all rows.
    """

    side: Side
    differences: Mapping[str, FeatureDifference] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page.

    Attributes:
        title: Its heading.
        sides: One dataset, or two.
        differences: Of two datasets: by feature.
        slices: Of one dataset: what else can be looked at.
    """

    title: str
    sides: tuple[Side, ...]
    differences: Mapping[str, FeatureDifference] = field(default_factory=dict)
    slices: tuple[Slice, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """What is looked at together: sides by number."""

    name: str
    sides: tuple[int, ...]
    differences: Mapping[str, FeatureDifference]


def page_document(page: Page) -> dict[str, Json]:
    """The page's values: features in the order of the first dataset, then of the second."""
    sides = (*page.sides, *(part.side for part in page.slices))
    first = len(page.sides)
    views = [
        _View(name="all rows", sides=tuple(range(first)), differences=page.differences),
        *(
            _View(name=part.side.name, sides=(0, first + number), differences=part.differences)
            for number, part in enumerate(page.slices)
        ),
    ]
    columns = [{column.name: column for column in summarise(side.dataset)} for side in sides]
    strengths = [{each.column: each.strength for each in associations(side.dataset)} for side in sides]
    names = dict.fromkeys(name for side in columns for name in side)
    return {
        "title": page.title,
        "sides": [
            {
                "name": side.name,
                "rows": side.dataset.rows,
                "features": len(side.dataset.columns),
                "bad_rows": dict(side.bad_rows),
            }
            for side in sides
        ],
        "views": [{"name": view.name, "sides": list(view.sides)} for view in views],
        "label": page.sides[0].dataset.label,
        "features": [
            {
                "name": name,
                "sides": [
                    _side(found.get(name), strength.get(name))
                    for found, strength in zip(columns, strengths, strict=True)
                ],
                "charts": [
                    _chart(distribution([sides[number].dataset.columns.get(name) for number in view.sides]))
                    for view in views
                ],
                "differences": [_difference(view.differences.get(name)) for view in views],
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
    made: dict[str, Json] = {
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
    return {key: value for key, value in made.items() if value is not None}


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
