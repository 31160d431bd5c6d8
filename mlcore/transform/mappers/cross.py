"""Categories of several columns to one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlcore.transform.mappers.base import Column, Mapper, Options
from mlcore.transform.values import CATEGORIES, to_texts


class Cross(Mapper[Options]):
    r"""The values of all columns as one text, such as ``JFK|LAX``; missing where one is missing.

    A bar in a value is written ``\|`` and a backslash ``\\``, so that different values have different texts.
    """

    name = "cross"
    types = CATEGORIES
    fewest = 2
    most = 8
    options_model = Options
    formula = "x1|x2|..."

    def gives(self, kinds: Sequence[str]) -> str:
        del kinds
        return "string"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        parts = [_escaped(to_texts(column)) for column in columns]
        return pc.binary_join_element_wise(*parts, "|")


def _escaped(texts: pa.Array) -> pa.Array:
    return pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), "|", "\\|")
