"""One number, or moment, less another."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from mlcore.errors import ConfigError
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats
from mlcore.transform.mappers.years_since import days
from mlcore.transform.values import NUMBERS, TIMES

_A_DAY = MappingProxyType({"days": 1.0, "hours": 24.0, "minutes": 1440.0, "seconds": 86_400.0})


class DifferenceOptions(NumberOptions):
    """In what unit."""

    unit: Literal["days", "hours", "minutes", "seconds"] = Field(
        default="days", description="Of dates and timestamps: days, hours, minutes or seconds"
    )


class Difference(Mapper[DifferenceOptions]):
    """The first column less the second: two numbers, or two dates or timestamps."""

    name = "difference"
    types = (*NUMBERS, *TIMES)
    fewest = 2
    most = 2
    options_model = DifferenceOptions
    formula = "x1 - x2"

    def gives(self, kinds: Sequence[str]) -> str:
        if len({kind in TIMES for kind in kinds}) > 1:
            raise ConfigError(
                f"difference: {kinds[0]} and {kinds[1]} have no difference",
                where="features",
                next_step="give two numbers, or two dates or timestamps",
            )
        return "float64"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        first, second = columns
        if isinstance(first, np.ndarray) or not pa.types.is_temporal(first.type):
            return to_floats(first) - to_floats(second)
        return (days(first) - days(second)) * _A_DAY[self.options.unit]
