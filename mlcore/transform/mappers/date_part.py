"""Parts of dates and moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats
from mlcore.transform.values import TIMES, Floats

_PARTS: Mapping[str, Callable[[pa.Array], Any]] = MappingProxyType(
    {
        "year": pc.year,
        "quarter": pc.quarter,
        "month": pc.month,
        "week": pc.iso_week,
        "day": pc.day,
        "day_of_week": pc.day_of_week,
        "day_of_year": pc.day_of_year,
        "hour": pc.hour,
        "minute": pc.minute,
        "second": pc.second,
    }
)
Part = Literal[
    "year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "second", "is_weekend"
]
_TIMES_OF_DAY = ("hour", "minute", "second")
_SATURDAY = 5


class LocalOptions(NumberOptions):
    """Where the clock stands."""

    timezone: str = Field(default="UTC", description="Of the clock that timestamps are read by, such as Europe/Paris")

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, KeyError, OSError) as error:
            raise ValueError("there is no such time zone") from error
        return value

    def local(self, column: pa.Array) -> pa.Array:
        """The column as that clock shows it."""
        if self.timezone == "UTC" or not pa.types.is_timestamp(column.type):
            return column
        return column.cast(pa.timestamp("us", self.timezone))


class DatePartOptions(LocalOptions):
    """Which part."""

    part: Part = Field(
        description="year, quarter, month, week (ISO), day, day_of_week (Monday is 0), day_of_year, hour, minute, "
        "second or is_weekend; a date has no time of day, which is 0"
    )


class DatePart(Mapper[DatePartOptions]):
    """A part of a date or a timestamp, as a number."""

    name = "date_part"
    types = TIMES
    options_model = DatePartOptions
    formula = "part of x"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        return part_of(columns[0], self.options.part, self.options)


def part_of(column: Any, part: str, options: LocalOptions) -> Floats:
    """The part of each moment, NaN where there is none."""
    local = options.local(column)
    if part == "is_weekend":
        return to_floats(pc.greater_equal(pc.day_of_week(local), _SATURDAY))
    if part in _TIMES_OF_DAY and pa.types.is_date(local.type):
        local = local.cast(pa.timestamp("us"))
    return to_floats(_PARTS[part](local))
