"""The weekday."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlcore.transform.mappers.base import Column, Mapper
from mlcore.transform.mappers.date_part import LocalOptions, part_of
from mlcore.transform.values import TIMES


class DayOfWeek(Mapper[LocalOptions]):
    """0 for Monday to 6 for Sunday, of a date or of a timestamp."""

    name = "day_of_week"
    types = TIMES
    options_model = LocalOptions
    formula = "weekday of x"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        return part_of(columns[0], "day_of_week", self.options)
