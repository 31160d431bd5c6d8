"""Place between the smallest and the largest value, in a given range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import Field, model_validator

from mlcore.core.types import Json
from mlcore.transform.analyzers.keyed import KeyedRange
from mlcore.transform.analyzers.range import Range
from mlcore.transform.mappers.base import Column, to_floats
from mlcore.transform.mappers.by_key import ByKeyMapper, ByKeyOptions, by_key

Given = TypeVar("Given", bound=ByKeyOptions)


class MinMaxOptions(ByKeyOptions):
    """The range."""

    low: float = Field(default=0.0, description="What the smallest training value becomes")
    high: float = Field(default=1.0, description="What the largest training value becomes")

    @model_validator(mode="after")
    def _ordered(self) -> MinMaxOptions:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        return self


class RangeMapper(ByKeyMapper[Given]):
    """One that knows the smallest and the largest training value."""

    constants = {"lowest": "smallest training value", "highest": "largest training value"}

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "range" if self.options.by is None else "keyed_range"

    def fit(self, analyzer: Range | KeyedRange) -> dict[str, Json]:
        if isinstance(analyzer, Range):
            return _of(analyzer)
        overall = Range.merge(analyzer.ranges) if analyzer.ranges else Range()
        return by_key(analyzer.keys, [_of(one) for one in analyzer.ranges], _of(overall))

    def unit(self, columns: Sequence[Column], prepared: Any) -> Any:
        """0 to 1; 0.5 where there is no range."""
        values = to_floats(columns[0])
        constants = prepared.of(columns)
        lowest, highest = constants["lowest"], constants["highest"]
        # Halves, so that the difference of two huge numbers stays finite.
        width = highest / 2 - lowest / 2
        some = width > 0
        if np.ndim(some) == 0:
            if not some:
                return np.where(np.isnan(values), np.nan, 0.5)
            return np.clip((values / 2 - lowest / 2) / width, 0.0, 1.0)
        unit = np.clip((values / 2 - lowest / 2) / np.where(some, width, 1.0), 0.0, 1.0)
        return np.where(some | np.isnan(values), unit, 0.5)


class ScaleByMinMax(RangeMapper[MinMaxOptions]):
    """``low`` for the smallest training value, ``high`` for the largest; values outside are cut to those.

    The middle for every value where all training values are equal, or none is known.
    """

    name = "scale_by_min_max"
    options_model = MinMaxOptions
    formula = "low + (high - low) min(max((x - lowest) / (highest - lowest), 0), 1)"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        low, high = self.options.low, self.options.high
        result: Column = low + (high - low) * self.unit(columns, prepared)
        return result


def _of(found: Range) -> dict[str, Json]:
    return {"lowest": found.lowest, "highest": found.highest}
