"""A value where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from mlcore.core.types import Json
from mlcore.errors import ConfigError
from mlcore.transform.analyzers.frequencies import Frequencies
from mlcore.transform.analyzers.moments import Moments
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.mappers.base import Column, Floats, Mapper, Options, to_floats
from mlcore.transform.values import unknown

Value = bool | int | float | str
_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "bool": (bool,), "int64": (int,)}


class ImputeOptions(Options):
    """What is put there."""

    strategy: Literal["constant", "mean", "median", "most_frequent"] | None = Field(
        default=None, description="constant, mean, median or most_frequent; constant where value is given, else mean"
    )
    value: Value | None = Field(default=None, description="Of strategy constant")
    indicator: bool = Field(default=False, description="Another column, <feature>_missing: 1 where there was no value")

    @model_validator(mode="after")
    def _sound(self) -> ImputeOptions:
        if (self.strategy in (None, "constant")) != (self.value is not None) and self.strategy is not None:
            raise ValueError("strategy constant needs value, and no other takes it")
        return self

    @property
    def chosen(self) -> str:
        return self.strategy or ("mean" if self.value is None else "constant")


class Impute(Mapper[ImputeOptions]):
    """The value, or where there is none a constant, or the training rows' mean, median or most frequent value.

    The mean and the median make a number of it; the others leave its kind. The median is the lower one of two, ties of
    frequency go to the smaller value. A column without any training value stays as it is.
    """

    name = "impute"
    types = ("string", "int64", "float64", "bool", "code")
    options_model = ImputeOptions
    constants = {"value": "what is put where there is none; null where there was nothing to learn from"}
    formula = "value where x is missing, else x"

    def gives(self, kinds: Sequence[str]) -> str:
        (kind,) = kinds
        if self.options.chosen in ("mean", "median"):
            if kind == "string":
                raise _refused(f"there is no {self.options.chosen} of strings")
            return "float64"
        value = self.options.value
        if value is not None and not _fits(value, kind):
            raise _refused(f"a value of {kind} cannot be {value!r:.40}")
        return kind

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        match self.options.chosen:
            case "constant":
                return None
            case "mean":
                return "moments"
            case "median":
                return "quantiles"
            case _:
                return "quantiles" if kinds[0] == "float64" else "frequencies"

    def fit(self, analyzer: Moments | Quantiles | Frequencies) -> dict[str, Json]:
        if isinstance(analyzer, Moments):
            return {"value": analyzer.mean if analyzer.count else None}
        if isinstance(analyzer, Frequencies):
            return {"value": (analyzer.top(1) or [None])[0]}
        if self.options.chosen == "median":
            middle = analyzer.at([0.5])
            return {"value": middle[0] if middle else None}
        top = analyzer.found.top(1)
        return {"value": float(top[0][0]) if top else None}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        return self.options.value if self.options.chosen == "constant" else constants["value"]

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        (column,) = columns
        by_number = self.options.chosen in ("mean", "median")
        if isinstance(column, np.ndarray) or by_number or pa.types.is_floating(column.type):
            values = to_floats(column)
            return values if prepared is None else np.where(np.isnan(values), float(prepared), values)
        return column if prepared is None else pc.fill_null(column, pa.scalar(prepared, column.type))

    def extras(self, columns: Sequence[Column], prepared: Any) -> list[Floats]:
        del prepared
        return [unknown(columns[0]).astype(np.float64)] if self.options.indicator else []

    def extra_names(self, feature: str) -> tuple[str, ...]:
        return (f"{feature}_missing",) if self.options.indicator else ()


def _fits(value: Value, kind: str) -> bool:
    if kind in ("float64", "code"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))


def _refused(what: str) -> ConfigError:
    return ConfigError(
        f"impute: {what}", where="features", next_step="choose strategy: most_frequent, or a value of the column's type"
    )
