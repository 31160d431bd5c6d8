"""Outliers cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from mlcore.core.types import Json
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats


class ClipOptions(NumberOptions):
    """Where to cut."""

    low: float | None = Field(default=None, description="No number stays below it")
    high: float | None = Field(default=None, description="No number stays above it")
    quantiles: tuple[float, float] | None = Field(
        default=None, description="Or cut at these quantiles of the training rows; without any option [0.01, 0.99]"
    )

    @model_validator(mode="after")
    def _sound(self) -> ClipOptions:
        given = self.low is not None or self.high is not None
        if given and self.quantiles is not None:
            raise ValueError("write low and high, or quantiles, not both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is greater than high")
        if self.quantiles is not None and not 0 <= self.quantiles[0] < self.quantiles[1] <= 1:
            raise ValueError("quantiles are two shares in order, such as [0.01, 0.99]")
        return self


class Clip(Mapper[ClipOptions]):
    """The number, or the bound it lies beyond."""

    name = "clip"
    options_model = ClipOptions
    constants = {"low": "lower quantile of the training values", "high": "upper quantile"}
    formula = "min(max(x, low), high)"

    @property
    def _given(self) -> bool:
        return self.options.low is not None or self.options.high is not None

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return None if self._given else "quantiles"

    def fit(self, analyzer: Quantiles) -> dict[str, Json]:
        found = analyzer.at(self.options.quantiles or (0.01, 0.99))
        return {"low": found[0], "high": found[1]} if found else {"low": None, "high": None}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> tuple[Any, Any]:
        del kinds
        low, high = (self.options.low, self.options.high) if self._given else (constants["low"], constants["high"])
        return -np.inf if low is None else low, np.inf if high is None else high

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        low, high = prepared
        return np.clip(to_floats(columns[0]), low, high)
