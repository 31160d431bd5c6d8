"""Which columns are missing together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

Pair = tuple[str, str]
"""Two columns' names, in order."""

MOST_COLUMNS = 128
"""Pairs of more columns would cost more than all other statistics: the first ones of the dataset are compared."""


def missing_together(table: pa.Table) -> dict[Pair, int]:
    """Rows that lack both of two columns."""
    names = [name for name in table.column_names[:MOST_COLUMNS] if table[name].null_count]
    if len(names) < 2:
        return {}
    nulls = np.array([table[name].is_null().to_numpy() for name in names])
    several = nulls.sum(axis=0, dtype=np.int16) > 1
    lacking = nulls[:, several].astype(np.float32)  # floats of 32 bits count exactly to 2**24, more than a chunk
    together = (lacking @ lacking.T).astype(np.int64)
    pairs = {
        (min(names[first], names[second]), max(names[first], names[second])): int(together[first, second])
        for first, second in zip(*np.nonzero(np.triu(together, 1)), strict=True)
    }
    return dict(sorted(pairs.items()))


def merge_missing(parts: Sequence[Mapping[Pair, int]]) -> dict[Pair, int]:
    """The rows of all parts, pairs in order."""
    total: Counter[Pair] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))
