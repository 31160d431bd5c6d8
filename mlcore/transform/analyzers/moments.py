"""Count, mean and spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlcore.accumulators.exact_sum import ExactSum, square_root
from mlcore.core.types import Json
from mlcore.errors import DataError
from mlcore.transform.analyzers.base import Analyzer, finite
from mlcore.transform.values import Column, Floats, Integers

LARGEST = 1e150
"""Beyond it a square has no exact form."""


@dataclass(frozen=True, slots=True)
class Moments(Analyzer):
    """Count, exact sum and exact sum of squares of the finite values."""

    name = "moments"
    counted = True

    count: int = 0
    total: ExactSum = field(default_factory=ExactSum)
    squared: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, *columns: Column) -> Moments:
        return cls._summed(*finite(columns[0]))

    @classmethod
    def of_counted(cls, column: Column, counts: Integers) -> Moments:
        return cls._summed(*finite(column, counts))

    @classmethod
    def _summed(cls, values: Floats, counts: Integers | None) -> Moments:
        check_squarable(values)
        moments = cls(len(values) if counts is None else int(counts.sum()), ExactSum(), ExactSum())
        moments.total.add(values, counts)
        moments.squared.add_squares(values, counts)
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
        return square_root(max(variance, variance * 0)) if variance else 0.0

    def to_json(self) -> Json:
        total: dict[str, Json] = {**self.total.to_json()}
        squared: dict[str, Json] = {**self.squared.to_json()}
        return {"count": self.count, "total": total, "squared": squared}

    @classmethod
    def from_json(cls, state: Any) -> Moments:
        return cls(state["count"], ExactSum.from_json(state["total"]), ExactSum.from_json(state["squared"]))


def check_squarable(values: Floats) -> None:
    """Refuse values whose squares have no exact form.

    Raises:
        DataError: There is one.
    """
    if len(values) and float(np.abs(values).max()) > LARGEST:
        raise DataError(
            f"values beyond {LARGEST:g} cannot be scaled by their standard deviation",
            next_step="use the mapper numeric or clip for this feature, or repair the source",
        )
