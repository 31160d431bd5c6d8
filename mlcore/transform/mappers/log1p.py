"""Large numbers closer together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats


class Log1pOptions(NumberOptions):
    """What becomes of negative numbers."""

    signed: bool = Field(default=False, description="sign(x) log(1 + |x|), which takes negative numbers too")


class Log1p(Mapper[Log1pOptions]):
    """The logarithm of one more than the number; not known for numbers below -1, unless ``signed``."""

    name = "log1p"
    options_model = Log1pOptions
    formula = "log(1 + x)"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        values = to_floats(columns[0])
        if self.options.signed:
            return np.copysign(np.log1p(np.abs(values)), values)
        return np.log1p(np.where(values > -1, values, np.nan))
