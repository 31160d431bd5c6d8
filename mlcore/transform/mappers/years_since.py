"""How old something was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Floats, Mapper, Options, to_floats

_DAYS_A_YEAR = 365.2425


class YearsSinceOptions(Options):
    """Up to when.

    Attributes:
        at: The column that holds the moment at which the age is asked for.
    """

    at: str


class YearsSince(Mapper):
    """Years from the column to the column ``at``: of a year, the years' difference; of a date, days / 365.2425."""

    name = "years_since"
    types = ("int64", "date", "timestamp")
    options_model = YearsSinceOptions

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        if not isinstance(options, YearsSinceOptions):
            raise TypeError("years_since needs its own options")
        self._at = options.at

    def further_columns(self) -> tuple[str, ...]:
        return (self._at,)

    def column_types(self) -> tuple[tuple[str, ...], ...]:
        return (self.types, ("date", "timestamp"))

    def apply(self, columns: Sequence[pa.Array], constants: Mapping[str, Json]) -> Floats:
        del constants
        since, at = columns
        if pa.types.is_integer(since.type):
            return to_floats(pc.year(at)) - to_floats(since)
        return (_days(at) - _days(since)) / _DAYS_A_YEAR


def _days(column: pa.Array) -> Floats:
    if pa.types.is_timestamp(column.type):
        return to_floats(column.cast(pa.int64())) / 86_400e6
    return to_floats(column.cast(pa.int32()))
