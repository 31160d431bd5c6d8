"""Columns whose values are their neighbour's: a row that lost or gained a field, or two columns swapped."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.column_findings import FEWEST_ROWS
from mlcore.schema.distances import divergence_of_histograms
from mlcore.schema.history import History
from mlcore.schema.summary import Bucket, DatasetSummary, FeatureSummary, FeatureType

_NUMBERS = (FeatureType.INT, FeatureType.FLOAT)
_OWN = 0.1
_OTHER = 0.9
_UNLIKE = 0.5
_LIKE = 0.1


def shifted(observed: DatasetSummary, history: History) -> Iterator[Anomaly]:
    """Columns that look like a neighbour did, and no longer like themselves.

    Of two columns and more it is an ERROR. One alone may have changed by itself: of strings that is a WARNING, of
    numbers nothing (on a stormy day the wind is what gusts were).
    """
    names = [feature.name for feature in observed.features]
    found: dict[str, str] = {}
    for index, feature in enumerate(observed.features):
        for neighbour in (*names[max(index - 1, 0) : index], *names[index + 1 : index + 2]):
            if _looks_like(feature, history.reference, neighbour):
                found[feature.name] = neighbour
                break
    sure = len(found) > 1
    for name, neighbour in found.items():
        summary = observed.feature(name)
        if not sure and (summary is None or summary.type is not FeatureType.STRING):
            return
        yield Anomaly(
            type=AnomalyType.SHIFTED_COLUMN,
            severity=Severity.ERROR if sure else Severity.WARNING,
            feature=name,
            description=f"The values are those that the column beside it, {neighbour}, had before.",
            observed=neighbour,
            expected=name,
        )


def _looks_like(feature: FeatureSummary, reference: DatasetSummary, neighbour: str) -> bool:
    own, other = reference.feature(feature.name), reference.feature(neighbour)
    if own is None or other is None or min(feature.present, own.present, other.present) < FEWEST_ROWS:
        return False
    if feature.type is own.type is other.type is FeatureType.STRING:
        return _known(feature, own) <= _OWN and _known(feature, other) >= _OTHER
    if feature.type in _NUMBERS and own.type in _NUMBERS and other.type in _NUMBERS:
        return _unlike(feature, own) >= _UNLIKE and _unlike(own, other) >= _UNLIKE and _unlike(feature, other) <= _LIKE
    return False


def _known(feature: FeatureSummary, reference: FeatureSummary) -> float:
    """Share of the values that the other column had."""
    return sum(count for value, count in feature.values.items() if value in reference.values) / feature.present


def _unlike(first: FeatureSummary, second: FeatureSummary) -> float:
    distance = divergence_of_histograms(_tenths(first), _tenths(second))
    return 0.0 if distance is None else distance


def _tenths(feature: FeatureSummary) -> tuple[Bucket, ...]:
    """A tenth of the rows between each two deciles: finer where the numbers are."""
    edges = feature.quantiles
    return tuple(Bucket(low=low, high=high, count=0.1) for low, high in pairwise(edges))
