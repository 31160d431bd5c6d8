"""How far two datasets' columns are from each other, by the measures that drift comparators use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mlcore.components.summaries import dataset_summary
from mlcore.schema.comparators import divergence
from mlcore.schema.distances import infinity_norm
from mlcore.schema.summary import FeatureSummary, FeatureType
from mlcore.statistics.accumulate import DatasetAccumulator

_CATEGORIES = (FeatureType.STRING, FeatureType.BOOL)
_NUMBERS = (FeatureType.INT, FeatureType.FLOAT)


class Measure(StrEnum):
    """What a difference is a difference of."""

    INFINITY_NORM = "L-infinity"
    """Of categories: the greatest change of one value's share of the rows that have a value."""
    JENSEN_SHANNON = "Jensen-Shannon"
    """Of numbers: the divergence of their histograms of ten equal bins, base 2."""
    ABSENT = "only on one side"
    TYPE = "types differ"
    NONE = "not measured"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Of one column.

    Attributes:
        measure: How it was measured.
        distance: From 0, the same, to 1; ``None`` where it was not measured, as for times.
        value: Of categories: the value whose share changed most.
        missing: Change of the share of rows without a value.
    """

    measure: Measure
    distance: float | None
    missing: float
    value: str | None = None

    @property
    def largest(self) -> float:
        """The distance, or the change of the missing share where that is more."""
        return max(self.distance or 0.0, abs(self.missing))


def differences(first: DatasetAccumulator, second: DatasetAccumulator) -> dict[str, Difference]:
    """Of every column of either dataset, in the order of the first, then of the second."""
    sides = [
        {feature.name: feature for feature in dataset_summary(name, dataset).features}
        for name, dataset in (("first", first), ("second", second))
    ]
    names = dict.fromkeys([*sides[0], *sides[1]])
    return {name: _difference(sides[0].get(name), sides[1].get(name)) for name in names}


def _difference(first: FeatureSummary | None, second: FeatureSummary | None) -> Difference:
    if first is None or second is None:
        return Difference(measure=Measure.ABSENT, distance=1.0, missing=0.0)
    missing = (1 - second.fraction) - (1 - first.fraction) if first.rows and second.rows else 0.0
    if not first.present and not second.present:
        return Difference(measure=Measure.NONE, distance=None, missing=missing)
    types = {first.type, second.type}
    if types <= set(_CATEGORIES) and len(types) == 1:
        found = infinity_norm(first.values, second.values)
        return Difference(
            measure=Measure.INFINITY_NORM, distance=found.distance, missing=missing, value=found.value or None
        )
    if types <= set(_NUMBERS):
        distance = divergence(first, second)
        return Difference(
            measure=Measure.JENSEN_SHANNON, distance=1.0 if distance is None else distance, missing=missing
        )
    if first.present and second.present and len(types) > 1:
        return Difference(measure=Measure.TYPE, distance=1.0, missing=missing)
    return Difference(measure=Measure.NONE, distance=None, missing=missing)
