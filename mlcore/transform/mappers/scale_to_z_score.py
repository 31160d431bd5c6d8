"""Distance from the mean in standard deviations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa

from mlcore.core.types import Json
from mlcore.transform.analyzers import Moments
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class ScaleToZScore(Mapper):
    """``(x - mean) / standard deviation`` of the training rows; 0 for every x where all training values are equal."""

    name = "scale_to_z_score"
    types = ("int64", "float64", "bool")
    analyzer: ClassVar[str | None] = "moments"

    def fit(self, analyzer: Moments) -> dict[str, Json]:
        return {"mean": analyzer.mean, "standard_deviation": analyzer.standard_deviation}

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        mean, deviation = float(constants["mean"]), float(constants["standard_deviation"])  # type: ignore[arg-type]
        values = to_floats(columns[0])
        if deviation == 0.0:
            return np.where(np.isnan(values), np.nan, 0.0)
        return (values - mean) / deviation
