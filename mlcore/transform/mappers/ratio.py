"""One number by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats


class Ratio(Mapper[NumberOptions]):
    """The first column divided by the second; not known where the second is 0."""

    name = "ratio"
    fewest = 2
    most = 2
    formula = "x1 / x2"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        first, second = (to_floats(column) for column in columns)
        return first / np.where(second == 0, np.nan, second)
