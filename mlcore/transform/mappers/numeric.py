"""A number as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Floats, Mapper, to_floats


class Numeric(Mapper):
    """The number itself; true is 1 and false is 0."""

    name = "numeric"
    types = ("int64", "float64", "bool")

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        del constants
        return to_floats(columns[0])
