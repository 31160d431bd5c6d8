"""Distance from the mean in standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcore.core.types import Json
from mlcore.transform.analyzers.keyed import KeyedMoments
from mlcore.transform.analyzers.moments import Moments
from mlcore.transform.mappers.base import Column, to_floats
from mlcore.transform.mappers.by_key import ByKeyMapper, ByKeyOptions, by_key


class ScaleToZScore(ByKeyMapper[ByKeyOptions]):
    """``(x - mean) / standard deviation`` of the training rows; 0 for every x where all training values are equal."""

    name = "scale_to_z_score"
    constants = {"mean": "of the training values", "standard_deviation": "of the training values, by their count"}
    formula = "(x - mean) / standard_deviation"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "moments" if self.options.by is None else "keyed_moments"

    def fit(self, analyzer: Moments | KeyedMoments) -> dict[str, Json]:
        if isinstance(analyzer, Moments):
            return _of(analyzer)
        found = list(analyzer.moments())
        overall = Moments.merge([moments for _, moments in found]) if found else Moments()
        return by_key([key for key, _ in found], [_of(moments) for _, moments in found], _of(overall))

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        values = to_floats(columns[0])
        constants = prepared.of(columns)
        mean, deviation = constants["mean"], constants["standard_deviation"]
        if np.ndim(deviation) == 0:
            return (values - mean) / deviation if deviation != 0 else np.where(np.isnan(values), np.nan, 0.0)
        flat = deviation == 0
        return np.where(flat & ~np.isnan(values), 0.0, (values - mean) / np.where(flat, 1.0, deviation))


def _of(moments: Moments) -> dict[str, Json]:
    return {"mean": moments.mean, "standard_deviation": moments.standard_deviation}
