"""Smallest and largest value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlcore.core.types import Json
from mlcore.transform.analyzers.base import Analyzer, finite
from mlcore.transform.values import Column, Integers


@dataclass(frozen=True, slots=True)
class Range(Analyzer):
    """Smallest and largest finite value; ``None`` where there is none."""

    name = "range"
    counted = True

    lowest: float | None = None
    highest: float | None = None

    @classmethod
    def of(cls, *columns: Column) -> Range:
        values, _ = finite(columns[0])
        return cls(float(values.min()), float(values.max())) if len(values) else cls()

    @classmethod
    def of_counted(cls, column: Column, counts: Integers) -> Range:
        del counts
        return cls.of(column)

    @classmethod
    def merge(cls, parts: Sequence[Range]) -> Range:
        lows = [part.lowest for part in parts if part.lowest is not None]
        highs = [part.highest for part in parts if part.highest is not None]
        return cls(min(lows), max(highs)) if lows and highs else cls()

    def to_json(self) -> Json:
        return {"lowest": self.lowest, "highest": self.highest}

    @classmethod
    def from_json(cls, state: Any) -> Range:
        return cls(state["lowest"], state["highest"])
