"""Place between the smallest and the largest value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa

from mlcore.core.types import Json
from mlcore.transform.analyzers import Range
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class ScaleTo01(Mapper):
    """0 for the smallest training value, 1 for the largest; values outside are cut to 0 and 1.

    0.5 for every value where all training values are equal, or none is known.
    """

    name = "scale_to_0_1"
    types = ("int64", "float64", "bool")
    analyzer: ClassVar[str | None] = "range"

    def fit(self, analyzer: Range) -> dict[str, Json]:
        return {"lowest": analyzer.lowest, "highest": analyzer.highest}

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        values = to_floats(columns[0])
        lowest, highest = constants["lowest"], constants["highest"]
        if not isinstance(lowest, float) or not isinstance(highest, float) or lowest == highest:
            return np.where(np.isnan(values), np.nan, 0.5)
        # Halves, so that the difference of two huge numbers stays finite.
        return np.clip((values / 2 - lowest / 2) / (highest / 2 - lowest / 2), 0.0, 1.0)
