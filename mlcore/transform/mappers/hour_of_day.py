"""The hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class HourOfDay(Mapper):
    """0 to 23, in UTC."""

    name = "hour_of_day"
    types = ("timestamp",)

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        del constants
        return to_floats(pc.hour(columns[0]))
