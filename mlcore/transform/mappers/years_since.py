"""How old something was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mlcore.transform.mappers.base import Column, Further, Mapper, NumberOptions, to_floats
from mlcore.transform.values import TIMES, Floats

_DAYS_A_YEAR = 365.2425


class YearsSinceOptions(NumberOptions):
    """Up to when."""

    at: str = Field(description="The column that holds the moment at which the age is asked for")


class YearsSince(Mapper[YearsSinceOptions]):
    """Years from the column to the column ``at``: of a year, the years' difference; of a date, days / 365.2425."""

    name = "years_since"
    types = ("int64", *TIMES)
    options_model = YearsSinceOptions
    formula = "at - x, in years"

    def further(self) -> tuple[Further, ...]:
        return (Further("at", self.options.at, TIMES),)

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        since, at = columns
        if isinstance(since, np.ndarray) or pa.types.is_integer(since.type):
            return to_floats(pc.year(at)) - to_floats(since)
        return (days(at) - days(since)) / _DAYS_A_YEAR


def days(column: Any) -> Floats:
    """Days since 1970, with fractions."""
    if pa.types.is_timestamp(column.type):
        return to_floats(column.cast(pa.int64())) / 86_400e6
    return to_floats(column.cast(pa.int32()))
