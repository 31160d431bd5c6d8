"""Columns whose values are their neighbour's: a row that lost or gained a field, or two columns swapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mlcore.schema.anomalies import Anomaly, AnomalyType, Severity
from mlcore.schema.column_findings import FEWEST_ROWS
from mlcore.schema.history import History
from mlcore.schema.summary import DatasetSummary, FeatureSummary, FeatureType

_NUMBERS = (FeatureType.INT, FeatureType.FLOAT)
_OWN = 0.1
_OTHER = 0.9

_STRANGE = 3.0
"""So many times further from all earlier spans than any of these is from the others: not like itself any more."""

_FAMILIAR = 1.5
"""At most so many times further from the neighbour's spans than one of these from the others: like the neighbour."""

_NEARER = 5.0
_FEWEST_REVERSED = 5

_Deciles = npt.NDArray[np.float64]


def shifted(observed: DatasetSummary, history: History) -> dict[str, Anomaly]:
    """Columns that look like a neighbour did, and no longer like themselves, by name.

    Strings are told by their values. Numbers are told by their deciles, span by span: they are nearer to some span of
    the neighbour's than to any of their own; or, of two columns of which one always was the greater, the other is now.

    Of two columns and more it is an ERROR. One alone may have changed by itself: of strings that is a WARNING, of
    numbers nothing.
    """
    names = [feature.name for feature in observed.features]
    numbers = _Numbers(history)
    found: dict[str, str] = {}
    for index, feature in enumerate(observed.features):
        for neighbour in (*names[max(index - 1, 0) : index], *names[index + 1 : index + 2]):
            if _like_strings(feature, history.reference, neighbour) or numbers.like(feature, neighbour):
                found[feature.name] = neighbour
                break
    for name, neighbour in numbers.reversed(observed):
        found.setdefault(name, neighbour)
    sure = len(found) > 1
    types = {feature.name: feature.type for feature in observed.features}
    return {
        name: Anomaly(
            type=AnomalyType.SHIFTED_COLUMN,
            severity=Severity.ERROR if sure else Severity.WARNING,
            feature=name,
            description=f"The values are those that the column beside it, {neighbour}, had before.",
            observed=neighbour,
            expected=name,
        )
        for name, neighbour in found.items()
        if sure or types[name] is FeatureType.STRING
    }


def _like_strings(feature: FeatureSummary, reference: DatasetSummary, neighbour: str) -> bool:
    own, other = reference.feature(feature.name), reference.feature(neighbour)
    if own is None or other is None or min(feature.present, own.present, other.present) < FEWEST_ROWS:
        return False
    strings = feature.type is own.type is other.type is FeatureType.STRING
    return strings and _known(feature, own) <= _OWN and _known(feature, other) >= _OTHER


def _known(feature: FeatureSummary, reference: FeatureSummary) -> float:
    """Share of the values that the other column had."""
    return sum(count for value, count in feature.values.items() if value in reference.values) / feature.present


class _Numbers:
    """The deciles of numeric columns in the earlier spans, each read once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._spans: dict[str, Mapping[int, _Deciles]] = {}
        self._usual: dict[str, float] = {}

    def like(self, feature: FeatureSummary, neighbour: str) -> bool:
        """Whether a column's numbers are no longer like its own, and like a neighbour's."""
        now, own = _deciles(feature), self._matrix(feature.name)
        if now is None or own is None:
            return False
        away = _nearest(now, own)
        if away <= _STRANGE * self._usually_away(feature.name):
            return False
        other = self._matrix(neighbour)
        return other is not None and self._familiar(now, neighbour) and _nearest(now, other) * _NEARER <= away

    def reversed(self, observed: DatasetSummary) -> Iterator[tuple[str, str]]:
        """Neighbours of which one was the greater in every span, decile by decile, and is the smaller now."""
        for left, right in zip(observed.features, observed.features[1:], strict=False):
            first, second = _deciles(left), _deciles(right)
            if first is None or second is None:
                continue
            sign = _order(first - second)
            if not sign or not self._always(left.name, right.name, -sign):
                continue
            if self._familiar(first, right.name) and self._familiar(second, left.name):
                yield from ((left.name, right.name), (right.name, left.name))

    def _familiar(self, now: _Deciles, name: str) -> bool:
        """Whether numbers are like those of some earlier span of a column."""
        spans = self._matrix(name)
        return spans is not None and _nearest(now, spans) <= _FAMILIAR * self._usually_away(name)

    def _always(self, left: str, right: str, sign: int) -> bool:
        first, second = self._of(left), self._of(right)
        both = first.keys() & second.keys()
        return (
            self._history.long
            and 2 * len(both) >= len(self._history.spans)
            and all(_order(first[index] - second[index]) == sign for index in both)
        )

    def _matrix(self, name: str) -> _Deciles | None:
        found = self._of(name)
        return np.array(list(found.values())) if self._history.long and len(found) > 1 else None

    def _of(self, name: str) -> Mapping[int, _Deciles]:
        if name not in self._spans:
            spans = ((index, span.feature(name)) for index, span in enumerate(self._history.spans))
            found = ((index, _deciles(feature)) for index, feature in spans if feature is not None)
            self._spans[name] = {index: deciles for index, deciles in found if deciles is not None}
        return self._spans[name]

    def _usually_away(self, name: str) -> float:
        """The greatest distance of one earlier span from the nearest other."""
        if name not in self._usual:
            spans = self._matrix(name)
            assert spans is not None
            distances = np.abs(spans[:, None, :] - spans[None, :, :]).mean(axis=2)
            np.fill_diagonal(distances, np.inf)
            self._usual[name] = float(distances.min(axis=1).max())
        return self._usual[name]


def _deciles(feature: FeatureSummary) -> _Deciles | None:
    """Without the extremes; ``None`` where they are too few numbers to tell."""
    if feature.type not in _NUMBERS or feature.present < FEWEST_ROWS or len(feature.quantiles) < 3:
        return None
    return np.array(feature.quantiles[1:-1])


def _nearest(now: _Deciles, spans: _Deciles) -> float:
    return float(np.abs(spans - now).mean(axis=1).min())


def _order(difference: _Deciles) -> int:
    """1 where the first is the greater, decile by decile, -1 where it is the smaller, 0 where that is not clear."""
    for sign in (1, -1):
        if np.all(sign * difference >= 0) and np.count_nonzero(difference) >= _FEWEST_REVERSED:
            return sign
    return 0
