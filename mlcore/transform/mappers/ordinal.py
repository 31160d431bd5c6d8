"""Categories that have an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from mlcore.core.types import Json
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions
from mlcore.transform.mappers.vocabulary import category_array, places
from mlcore.transform.values import CATEGORIES, to_categories


class OrdinalOptions(NumberOptions):
    """The order."""

    values: tuple[str | bool | int, ...] = Field(
        min_length=1, max_length=10_000, description="From the least to the greatest"
    )
    other: float | None = Field(default=None, description="Stands for all other values; by default they are missing")

    @field_validator("values")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError("a value is there twice")
        if len({type(value) for value in values}) > 1:
            raise ValueError("values are of one type")
        return values


class Ordinal(Mapper[OrdinalOptions]):
    """0 for the first of the given values, 1 for the second, and so on."""

    name = "ordinal"
    types = CATEGORIES
    options_model = OrdinalOptions
    formula = "place of x in values"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "code"

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del constants
        if kinds[0] == "string":
            return category_array([str(value) for value in self.options.values], "string")
        return category_array([value for value in self.options.values if not isinstance(value, str)], kinds[0])

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        column = to_categories(columns[0])
        codes = places(column, prepared)
        other = np.nan if self.options.other is None else self.options.other
        codes = np.where(codes == len(prepared), other, codes)
        return np.where(column.is_null().to_numpy(zero_copy_only=False), np.nan, codes) if column.null_count else codes
