"""A value as another kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from mlcore.transform.mappers.base import Column, Mapper, Options, to_floats
from mlcore.transform.values import to_texts

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?$"
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
_MOST_EXACT = 2.0**53
Target = Literal["string", "int64", "float64", "bool", "date"]


class CastOptions(Options):
    """To what."""

    to: Target = Field(description="string, int64, float64, bool or date")


class Cast(Mapper[CastOptions]):
    """The value as another kind; not known where the text is no number, truth or the like.

    Fractions are cut off; whole numbers beyond 2**53 are not known. A text is true for true, 1, yes and false for
    false, 0, no, in any case; a number is false for 0. A date is the day of a timestamp in UTC.
    """

    name = "cast"
    types = ("string", "int64", "float64", "bool", "code", "date", "timestamp")
    options_model = CastOptions
    formula = "x as another kind"

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return self.options.to

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        (column,) = columns
        match self.options.to:
            case "string":
                return to_texts(column)
            case "date":
                return _to_date(column)
            case "bool":
                return _to_bool(column)
            case "int64":
                return _to_int(_to_number(column))
            case _:
                return _to_number(column)


def _to_date(column: Column) -> pa.Array:
    if isinstance(column, np.ndarray) or not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        return pa.nulls(len(column), pa.date32())
    return column.cast(pa.timestamp("us", "UTC")).cast(pa.date32(), safe=False)


def _to_bool(column: Column) -> pa.Array:
    if isinstance(column, np.ndarray) or not pa.types.is_string(column.type):
        values = _to_number(column)
        return pa.array(values != 0, mask=np.isnan(values))
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    true, false = (pc.is_in(words, value_set=pa.array(some)) for some in (_TRUE, _FALSE))
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def _to_number(column: Column) -> Column:
    if isinstance(column, np.ndarray):
        return column
    if pa.types.is_string(column.type):
        words = pc.utf8_trim_whitespace(column)
        fits = pc.match_substring_regex(words, _NUMBER)
        words = pc.replace_substring_regex(words, r"^\+", "")
        return to_floats(pc.if_else(fits, words, pa.scalar(None, pa.string())).cast(pa.float64()))
    if pa.types.is_timestamp(column.type):
        return to_floats(column.cast(pa.int64())) / 1e6
    if pa.types.is_date(column.type):
        return to_floats(column.cast(pa.int32()))
    return to_floats(column)


def _to_int(values: Any) -> pa.Array:
    fits = np.abs(values) <= _MOST_EXACT
    return pa.array(np.where(fits, values, 0.0).astype(np.int64), mask=~fits)
