"""The weekday."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class DayOfWeek(Mapper):
    """0 for Monday to 6 for Sunday, of a date or of a timestamp in UTC."""

    name = "day_of_week"
    types = ("date", "timestamp")

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        del constants
        return to_floats(pc.day_of_week(columns[0]))
