"""Minutes since midnight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class MinuteOfDay(Mapper):
    """0 to 1439, of an integer written HHMM (2400 is midnight) or of a timestamp in UTC; NaN for 1275 and the like."""

    name = "minute_of_day"
    types = ("int64", "timestamp")

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        del constants
        (column,) = columns
        if pa.types.is_timestamp(column.type):
            return to_floats(pc.hour(column)) * 60 + to_floats(pc.minute(column))
        hours, minutes = np.divmod(to_floats(column), 100)
        valid = (hours >= 0) & (minutes < 60) & (hours * 60 + minutes <= 24 * 60)
        return np.where(valid, (hours * 60 + minutes) % (24 * 60), np.nan)
