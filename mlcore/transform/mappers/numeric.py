"""A number as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats


class Numeric(Mapper[NumberOptions]):
    """The number itself; true is 1 and false is 0."""

    name = "numeric"
    formula = "x"

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        del prepared
        return to_floats(columns[0])
