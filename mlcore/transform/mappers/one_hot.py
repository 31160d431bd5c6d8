"""Categories to a column each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from mlcore.core.types import Json
from mlcore.transform.analyzers.frequencies import Frequencies
from mlcore.transform.mappers.base import Column, Mapper, Options
from mlcore.transform.mappers.vocabulary import category_array, places
from mlcore.transform.values import CATEGORIES, to_categories


class OneHotOptions(Options):
    """Which values get a column."""

    top_k: int = Field(default=100, ge=1, le=10_000, description="At most so many, the most frequent first")
    min_count: int = Field(default=1, ge=1, description="Only values that occur so often in the training rows")
    other: bool = Field(default=True, description="A column for all other values")
    missing: bool = Field(default=False, description="A column for missing values; otherwise they are 0 everywhere")


class OneHot(Mapper[OneHotOptions]):
    """1 in the column of the value, 0 in all others: ``<feature>=<value>``, from the most frequent value down."""

    name = "one_hot"
    types = CATEGORIES
    options_model = OneHotOptions
    constants = {"values": "those with a column of their own, in order"}
    formula = "1 where x is the column's value, else 0"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "frequencies"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "matrix"

    def fit(self, analyzer: Frequencies) -> dict[str, Json]:
        return {"values": analyzer.top(self.options.top_k, min_count=self.options.min_count)}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        return category_array(constants["values"], kinds[0])

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        column = to_categories(columns[0])
        codes = places(column, prepared).astype(np.int64)
        known = len(prepared)
        if column.null_count:
            codes[column.is_null().to_numpy(zero_copy_only=False)] = known + 1
        matrix = np.zeros((len(column), known + 2))
        matrix[np.arange(len(column)), codes] = 1.0
        kept = [*range(known), *([known] if self.options.other else []), *([known + 1] if self.options.missing else [])]
        return matrix if len(kept) == known + 2 else matrix[:, kept]

    def names(self, feature: str, constants: Mapping[str, Json]) -> tuple[str, ...]:
        values: Any = constants["values"]
        named = [f"{feature}={'true' if value is True else 'false' if value is False else value}" for value in values]
        other = [f"{feature}=(other)"] if self.options.other else []
        return (*named, *other, *([f"{feature}=(missing)"] if self.options.missing else []))
