"""The label's mean by category, apart for each fold of the rows' keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.hashing import hashed
from mlcore.core.types import Json
from mlcore.transform.analyzers.base import Analyzer
from mlcore.transform.analyzers.keyed import KeyedMoments
from mlcore.transform.analyzers.moments import Moments
from mlcore.transform.values import Column, Integers, to_floats, to_texts

FOLDS = 8
_SEPARATOR = "\x1f"
_KNOWN, _UNKNOWN = "=", "?"


@dataclass(frozen=True, slots=True)
class TargetStatistics(Analyzer):
    """:class:`Moments` of the label by fold and category; rows without a label are left out.

    Attributes:
        moments: By a key that is the fold, and the category or that there is none.
    """

    name = "target_statistics"

    moments: KeyedMoments

    @classmethod
    def of(cls, *columns: Column) -> TargetStatistics:
        """Of a category, the label, and the columns of the rows' key."""
        category, label, *key = columns
        labels = to_floats(label)
        folds = pa.array(folds_of(key).astype(str), pa.string())
        texts = to_texts(category)
        named = pc.if_else(texts.is_valid(), pc.binary_join_element_wise(_KNOWN, pc.fill_null(texts, ""), ""), _UNKNOWN)
        some = pa.array(np.isfinite(labels))
        keys = pc.binary_join_element_wise(folds, named, "").filter(some)
        return cls(KeyedMoments.of(labels[np.isfinite(labels)], keys))

    @classmethod
    def merge(cls, parts: Sequence[TargetStatistics]) -> TargetStatistics:
        return cls(KeyedMoments.merge([part.moments for part in parts]))

    def by_category(self) -> dict[str | None, dict[int, Moments]]:
        """Moments of the label by fold, by category."""
        found: dict[str | None, dict[int, Moments]] = {}
        for key, moments in self.moments.moments():
            if key is not None:
                category = key[2:] if key[1] == _KNOWN else None
                found.setdefault(category, {})[int(key[0])] = moments
        return found

    def to_json(self) -> Json:
        return self.moments.to_json()

    @classmethod
    def from_json(cls, state: Any) -> TargetStatistics:
        return cls(KeyedMoments.from_json(state))


def folds_of(key: Sequence[Column]) -> Integers:
    """The fold of each row, 0 to 7, from the hash of its key: the same whatever the order and the partitioning."""
    texts = [pc.fill_null(to_texts(column), "") for column in key]
    hashes = hashed(pc.binary_join_element_wise(*texts, _SEPARATOR).cast(pa.string()))
    folds: Integers = (hashes >> np.uint64(32)).astype(np.int64) % FOLDS
    return folds
