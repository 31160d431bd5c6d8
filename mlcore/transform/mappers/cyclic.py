"""Places on a circle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats


class CyclicOptions(NumberOptions):
    """How long the circle is."""

    period: float = Field(
        gt=0, allow_inf_nan=False, description="After how much it begins again: 24 for hours, 7 for weekdays"
    )


class Cyclic(Mapper[CyclicOptions]):
    """Two columns, ``<feature>_sin`` and ``<feature>_cos``, in which the end of a period is beside its beginning."""

    name = "cyclic"
    options_model = CyclicOptions
    formula = "sin(2 pi x / period), cos(2 pi x / period)"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "matrix"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        values = to_floats(columns[0])
        angles = np.remainder(values, self.options.period) * (2 * math.pi / self.options.period)
        return np.stack([np.sin(angles), np.cos(angles)], axis=1)

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        del constants
        return f"{feature}_sin", f"{feature}_cos"
