"""Minutes since midnight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mlcore.transform.mappers.base import Column, Mapper, to_floats
from mlcore.transform.mappers.date_part import LocalOptions, part_of


class MinuteOfDay(Mapper[LocalOptions]):
    """0 to 1439, of a timestamp or of an integer written HHMM (2400 is midnight); not known for 1275 and the like."""

    name = "minute_of_day"
    types = ("int64", "timestamp")
    options_model = LocalOptions
    formula = "60 hour + minute of x"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        (column,) = columns
        if not isinstance(column, np.ndarray) and pa.types.is_timestamp(column.type):
            return part_of(column, "hour", self.options) * 60 + part_of(column, "minute", self.options)
        values = to_floats(column)
        hours = np.floor(values / 100)
        minutes = values - hours * 100
        total = hours * 60 + minutes
        valid = (hours >= 0) & (minutes < 60) & (total <= 24 * 60)
        return np.where(valid, np.where(total == 24 * 60, 0.0, total), np.nan)
