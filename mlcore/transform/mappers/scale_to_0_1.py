"""Place between the smallest and the largest value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlcore.transform.mappers.base import Column
from mlcore.transform.mappers.by_key import ByKeyOptions
from mlcore.transform.mappers.scale_by_min_max import RangeMapper


class ScaleTo01(RangeMapper[ByKeyOptions]):
    """0 for the smallest training value, 1 for the largest; values outside are cut to 0 and 1.

    0.5 for every value where all training values are equal, or none is known.
    """

    name = "scale_to_0_1"
    formula = "min(max((x - lowest) / (highest - lowest), 0), 1)"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        result: Column = self.unit(columns, prepared)
        return result
