"""How often every value occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.errors import DataError
from mlcore.transform.analyzers.base import CountedAnalyzer
from mlcore.transform.values import Column, Integers, to_categories

MOST = 5_000_000
"""Different values: all are kept, because the most frequent cannot be told exactly from fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class Frequencies(CountedAnalyzer):
    """Counts by value.

    Attributes:
        categories: Strings, integers or booleans, sorted, each once.
        counts: How often each occurs.
        unknown: Rows without a value.
    """

    name = "frequencies"
    counted = True

    categories: pa.Array
    counts: Integers
    unknown: int = 0

    @classmethod
    def of(cls, *columns: Column) -> Frequencies:
        return cls._summed(to_categories(columns[0]), None)

    @classmethod
    def of_counted(cls, column: Column, counts: Integers) -> Frequencies:
        return cls._summed(to_categories(column), counts)

    @classmethod
    def merge(cls, parts: Sequence[Frequencies]) -> Frequencies:
        some = [part for part in parts if len(part.counts)] or list(parts[:1])
        merged = cls._summed(
            pa.concat_arrays([part.categories for part in some]), np.concatenate([part.counts for part in some])
        )
        return cls(merged.categories, merged.counts, sum(part.unknown for part in parts))

    @classmethod
    def _summed(cls, column: pa.Array, counts: Integers | None) -> Frequencies:
        empty = column.is_null().to_numpy(zero_copy_only=False)
        unknown = int(empty.sum()) if counts is None else int(counts[empty].sum())
        if unknown:
            column, counts = column.drop_null(), None if counts is None else counts[~empty]
        encoded = column.dictionary_encode()
        codes = encoded.indices.to_numpy()
        size = len(encoded.dictionary)
        if size > MOST:
            raise DataError(
                f"more than {MOST:,} different values are too many to be counted",
                next_step="use the mapper hash for this feature, which counts nothing",
            )
        totals = np.zeros(size, np.int64)
        np.add.at(totals, codes, np.int64(1) if counts is None else counts)
        kept = np.flatnonzero(totals)
        values = encoded.dictionary.take(pa.array(kept))
        order = _order(values)
        return cls(values.take(order), totals[kept][order.to_numpy()], unknown)

    def top(self, limit: int, *, min_count: int = 1) -> list[Any]:
        """The most frequent values, ties in order of the values."""
        enough = np.flatnonzero(self.counts >= min_count)
        order = enough[np.argsort(-self.counts[enough], kind="stable")][:limit]
        found: list[Any] = self.categories.take(pa.array(order)).to_pylist()
        return found

    def values(self) -> tuple[Column, Integers]:
        if not self.unknown:
            return self.categories, self.counts
        nothing = pa.nulls(1, self.categories.type)
        return pa.concat_arrays([self.categories, nothing]), np.append(self.counts, self.unknown)

    def to_json(self) -> Json:
        return {"values": self.categories.to_pylist(), "counts": self.counts.tolist(), "unknown": self.unknown}

    @classmethod
    def from_json(cls, state: Any) -> Frequencies:
        return cls(pa.array(state["values"]), np.array(state["counts"], np.int64), int(state["unknown"]))


def _order(values: pa.Array) -> pa.Array:
    return pc.sort_indices(values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values)
