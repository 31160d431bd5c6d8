"""The hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlcore.transform.mappers.base import Column, Mapper
from mlcore.transform.mappers.date_part import LocalOptions, part_of


class HourOfDay(Mapper[LocalOptions]):
    """0 to 23, of a timestamp."""

    name = "hour_of_day"
    types = ("timestamp",)
    options_model = LocalOptions
    formula = "hour of x"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        return part_of(columns[0], "hour", self.options)
