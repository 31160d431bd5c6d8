"""What mappers need to know of all training rows, kept for each span and merged: counts, moments, ranges.

``merge([of(A), of(B)]) == of(A + B)``, bit for bit and in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.core.types import Json
from mlcore.errors import DataError

LARGEST = 1e150
"""Beyond it a square has no exact form."""


class Analyzer(Protocol):
    """An immutable summary of one column's values."""

    @classmethod
    def of(cls, column: pa.Array) -> Self: ...

    @classmethod
    def merge(cls, parts: Sequence[Self]) -> Self: ...

    def to_json(self) -> Json: ...

    @classmethod
    def from_json(cls, state: Any) -> Self: ...


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How often every value occurs: all of them, because the most frequent cannot be told from a sample.

    Attributes:
        counts: Count by value (string, integer or bool); nulls are left out.
    """

    counts: Mapping[Any, int] = field(default_factory=dict)

    @classmethod
    def of(cls, column: pa.Array) -> Frequencies:
        counted = column.drop_null().value_counts()
        values, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
        return cls(dict(zip(values, counts, strict=True)))

    @classmethod
    def merge(cls, parts: Sequence[Frequencies]) -> Frequencies:
        total: dict[Any, int] = {}
        for part in parts:
            for value, count in part.counts.items():
                total[value] = total.get(value, 0) + count
        return cls(total)

    def top(self, limit: int, *, min_count: int = 1) -> list[Any]:
        """The most frequent values, ties in order of the values."""
        kept = [(-count, value) for value, count in self.counts.items() if count >= min_count]
        return [value for _, value in sorted(kept)[:limit]]

    def to_json(self) -> Json:
        values = sorted(self.counts)
        return {"values": values, "counts": [self.counts[value] for value in values]}

    @classmethod
    def from_json(cls, state: Any) -> Frequencies:
        return cls(dict(zip(state["values"], state["counts"], strict=True)))


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, exact sum and exact sum of squares of the finite values."""

    count: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    squared: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, column: pa.Array) -> Moments:
        values = _finite(column)
        if len(values) and float(np.abs(values).max()) > LARGEST:
            raise DataError(
                f"values beyond {LARGEST:g} cannot be scaled by their standard deviation",
                next_step="use the mapper numeric for this feature, or repair the source",
            )
        moments = cls(len(values), ExactSum(), ExactSum())
        moments.total.add(values)
        moments.squared.add_squares(values)
        return moments

    @classmethod
    def merge(cls, parts: Sequence[Moments]) -> Moments:
        merged = cls(sum(part.count for part in parts), ExactSum(), ExactSum())
        for part in parts:
            merged.total.merge(part.total)
            merged.squared.merge(part.squared)
        return merged

    @property
    def mean(self) -> float:
        """0 where there is no value."""
        return float(self.total.fraction() / self.count) if self.count else 0.0

    @property
    def standard_deviation(self) -> float:
        """Of the population (divided by the count); 0 where there is no value."""
        if not self.count:
            return 0.0
        total = self.total.fraction()
        variance = (self.squared.fraction() - total * total / self.count) / self.count
        return float(np.sqrt(float(max(variance, variance * 0))))

    def to_json(self) -> Json:
        total: dict[str, Json] = {**self.total.to_json()}
        squared: dict[str, Json] = {**self.squared.to_json()}
        return {"count": self.count, "total": total, "squared": squared}

    @classmethod
    def from_json(cls, state: Any) -> Moments:
        return cls(state["count"], ExactSum.from_json(state["total"]), ExactSum.from_json(state["squared"]))


@dataclass(frozen=True, slots=True)
class Range:
    """Smallest and largest finite value; ``None`` where there is none."""

    lowest: float | None = None
    highest: float | None = None

    @classmethod
    def of(cls, column: pa.Array) -> Range:
        values = _finite(column)
        return cls(float(values.min()), float(values.max())) if len(values) else cls()

    @classmethod
    def merge(cls, parts: Sequence[Range]) -> Range:
        lows = [part.lowest for part in parts if part.lowest is not None]
        highs = [part.highest for part in parts if part.highest is not None]
        return cls(min(lows), max(highs)) if lows and highs else cls()

    def to_json(self) -> Json:
        return {"lowest": self.lowest, "highest": self.highest}

    @classmethod
    def from_json(cls, state: Any) -> Range:
        return cls(state["lowest"], state["highest"])


ANALYZERS: Mapping[str, type[Analyzer]] = MappingProxyType(
    {"frequencies": Frequencies, "moments": Moments, "range": Range}
)


def _finite(column: pa.Array) -> npt.NDArray[np.float64]:
    """The finite values; adding 0 makes -0.0 and 0.0 one value, so that order cannot show in a minimum."""
    values = pc.cast(column.drop_null(), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    finite: npt.NDArray[np.float64] = values[np.isfinite(values)] + 0.0
    return finite
