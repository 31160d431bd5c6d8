"""Numbers to buckets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from mlcore.core.types import Json
from mlcore.transform.analyzers.keyed import KeyedQuantiles, keyed_places
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.mappers.base import Column, to_floats
from mlcore.transform.mappers.by_key import ByKeyMapper, ByKeyOptions

_MOST = 1000


class BucketizeOptions(ByKeyOptions):
    """Where buckets end."""

    buckets: int = Field(
        default=10, ge=2, le=_MOST, description="So many, each with about as many training rows as any other"
    )
    boundaries: tuple[float, ...] = Field(
        default=(), max_length=_MOST, description="Or where buckets end, in order: bucket 0 is below the first"
    )

    @model_validator(mode="after")
    def _sound(self) -> BucketizeOptions:
        if any(not first < second for first, second in pairwise(self.boundaries)):
            raise ValueError("boundaries must rise")
        if self.boundaries and ("buckets" in self.model_fields_set or self.by is not None):
            raise ValueError("write boundaries alone, or buckets, and by")
        return self


class Bucketize(ByKeyMapper[BucketizeOptions]):
    """0 below the first boundary, 1 from it to below the second, and so on.

    Boundaries are given, or the quantiles of the training rows; equal quantiles are one boundary.
    """

    name = "bucketize"
    options_model = BucketizeOptions
    constants = {"boundaries": "where buckets end: quantiles of the training values"}
    formula = "how many boundaries are <= x"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        if self.options.boundaries:
            return None
        return "quantiles" if self.options.by is None else "keyed_quantiles"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def fit(self, analyzer: Quantiles | KeyedQuantiles) -> dict[str, Json]:
        if isinstance(analyzer, Quantiles):
            return {"boundaries": self._boundaries(analyzer)}
        parts = zip(analyzer.keys, analyzer.quantiles, strict=True)
        known = [(key, self._boundaries(one)) for key, one in parts if key is not None]
        overall = Quantiles.merge(analyzer.quantiles) if analyzer.quantiles else None
        return {
            "keys": [key for key, _ in known],
            "boundaries": [bounds for _, bounds in known],
            "other": [] if overall is None else self._boundaries(overall),
        }

    def _boundaries(self, analyzer: Quantiles) -> list[Json]:
        count = self.options.buckets
        found = analyzer.at([part / count for part in range(1, count)])
        return list(dict.fromkeys(found))

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        if self.options.by is None:
            return None, [np.array(self.options.boundaries or constants["boundaries"], np.float64)]
        stored: Any = constants
        bounds = [np.array(one, np.float64) for one in (*stored["boundaries"], stored["other"])]
        return pa.array(stored["keys"], pa.string()), bounds

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        keys, bounds = prepared
        values = to_floats(columns[0])
        if keys is None:
            codes = np.searchsorted(bounds[0], values, side="right").astype(np.float64)
        else:
            places = keyed_places(columns[1], keys)
            codes = np.zeros(len(values))
            for place in np.unique(places).tolist():
                rows = places == place
                codes[rows] = np.searchsorted(bounds[place], values[rows], side="right")
        return np.where(np.isnan(values), np.nan, codes)
