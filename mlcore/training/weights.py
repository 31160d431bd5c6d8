"""How much each training row counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import ConfigError, DataError, quoted

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCounts:
    """How many rows each class has.

    Attributes:
        classes: Sorted, each once.
        counts: Of each.
    """

    classes: npt.NDArray[Any]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: npt.NDArray[Any]) -> ClassCounts:
        """Of all rows' labels."""
        classes, counts = np.unique(labels, return_counts=True)
        return cls(classes=classes, counts=counts)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowWeights:
    """A row's weight is the product of what is given; with nothing given, rows are not weighed.

    Attributes:
        column: Holds a weight a row: finite, not negative.
        half_life: A row that is so much older than ``end`` counts half.
        timestamp: The column that ``half_life`` is measured by.
        end: The end of the training window, with a time zone.
        classes: ``balanced``, so that every class has the same weight in all, or a factor by the class as text.
    """

    column: str | None = None
    half_life: timedelta | None = None
    timestamp: str | None = None
    end: datetime | None = None
    classes: Literal["balanced"] | Mapping[str, float] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns they are computed from."""
        timestamp = self.timestamp if self.half_life else None
        return tuple(name for name in (self.column, timestamp) if name)

    def of(self, table: pa.Table, labels: npt.NDArray[Any]) -> Floats | None:
        """The weight of every row; ``None`` where rows are not weighed.

        Raises:
            DataError: A weight is missing, negative or not finite, or all are zero.
            ConfigError: A factor is given for a class that there is not.
        """
        weights = self.of_some(table, labels, ClassCounts.of(labels) if self.classes else None)
        if weights is not None and not np.any(weights > 0):
            raise no_weight()
        return weights

    def of_some(self, table: pa.Table, labels: npt.NDArray[Any], counts: ClassCounts | None) -> Floats | None:
        """:meth:`of` for some of the training rows; ``counts`` are those of all of them, where classes are weighed.

        Raises:
            DataError: A weight is missing, negative or not finite.
            ConfigError: As :meth:`of`.
        """
        by_class = [self._factors(counts)[np.searchsorted(counts.classes, labels)]] if counts and self.classes else []
        factors = [*self._given(table), *self._decayed(table), *by_class]
        if not factors:
            return None
        weights: Floats = np.multiply.reduce(factors)
        return weights

    def _given(self, table: pa.Table) -> list[Floats]:
        if self.column is None:
            return []
        weights = table[self.column].cast(pa.float64()).to_numpy()
        bad = ~(np.isfinite(weights) & (weights >= 0))
        if np.any(bad):
            raise DataError(
                f"{int(bad.sum())} of {len(weights)} training rows have no weight: {quoted(self.column)} must be there,"
                f" finite and not negative; the first is {weights[np.argmax(bad)]}",
                where="model.weights.column",
                next_step="correct the source, or name another column",
            )
        return [weights]

    def _decayed(self, table: pa.Table) -> list[Floats]:
        if self.half_life is None or self.end is None or self.timestamp is None:
            return []
        end = pa.scalar(self.end, pa.timestamp("us", tz="UTC"))
        age = pc.subtract(end, table[self.timestamp].cast(end.type)).cast(pa.int64()).to_numpy()
        return [np.exp2(-age / (self.half_life / timedelta(microseconds=1)))]

    def _factors(self, counts: ClassCounts) -> Floats:
        """What each class is multiplied by."""
        if self.classes == "balanced":
            balanced: Floats = counts.counts.sum() / (len(counts.classes) * counts.counts)
            return balanced
        given = {} if self.classes is None else self.classes
        names = [str(label) for label in counts.classes.tolist()]
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ConfigError(
                f"model.weights.classes: no training row is of class {quoted(unknown[0])}",
                where="model.weights.classes",
                next_step=f"the classes are {', '.join(map(quoted, names[:20]))}",
            )
        return np.array([given.get(name, 1.0) for name in names])


def no_weight() -> DataError:
    """All training rows have the weight 0."""
    return DataError(
        "all training rows have the weight 0",
        where="model.weights",
        next_step="check the column of weights, or choose a longer half_life",
    )
