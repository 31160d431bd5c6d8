"""How often each value occurs: exact for up to ``LIMIT`` different values, a fair sample of the values beyond.

Beyond the limit the values with the smallest hashes are kept (bottom-k, Cohen and Kaplan, 2007; distinct counts after
Bar-Yossef et al., 2002), each with its exact count. What is kept depends on the set of values alone, so merging stays
exact and free of order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LIMIT = 32_768


@dataclass(frozen=True, slots=True, eq=False)
class ValueCounts:
    """Counts by value, in order of the values.

    Attributes:
        values: Strings or finite numbers, sorted, each once.
        counts: How often each occurs (int64).
        complete: Whether every value that occurred is here.
    """

    values: pa.Array
    counts: npt.NDArray[np.int64]
    complete: bool = True

    @classmethod
    def of(cls, values: pa.Array) -> ValueCounts:
        """Count the values of an array without nulls."""
        counted = values.value_counts()
        return _limited(counted.field("values"), counted.field("counts").to_numpy(), complete=True)

    @classmethod
    def merge(cls, parts: Sequence[ValueCounts]) -> ValueCounts:
        """The counts of all parts together; one part at least, all of one type."""
        if len(parts) == 1:
            return parts[0]
        table = pa.table(
            {
                "value": pa.concat_arrays([part.values for part in parts]),
                "count": pa.array(np.concatenate([part.counts for part in parts])),
            }
        )
        grouped = table.group_by("value", use_threads=False).aggregate([("count", "sum")]).combine_chunks()
        return _limited(
            _array(grouped["value"]), _array(grouped["count_sum"]).to_numpy(), complete=all(p.complete for p in parts)
        )

    @property
    def distinct(self) -> int:
        """Different values: exact when complete, otherwise within about 1 % (standard error 1/sqrt(LIMIT))."""
        if self.complete:
            return len(self.values)
        largest = int(_hashes(self.values).max())
        return round((len(self.values) - 1) * 2.0**64 / (largest + 1))

    def top(self, count: int) -> list[tuple[str | float, int]]:
        """The most frequent values, ties broken by value."""
        order = np.lexsort((np.arange(len(self.counts)), -self.counts))[:count]
        values = self.values.take(pa.array(order)).to_pylist()
        return list(zip(values, self.counts[order].tolist(), strict=True))

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Values below which the given shares of the rows lie (inverse of the empirical distribution).

        Exact when complete; otherwise estimated from the kept values.
        """
        if not len(self.values):
            return []
        reached = np.cumsum(self.counts)
        ranks = np.ceil(np.asarray(shares) * reached[-1]).clip(1)
        numbers = self.values.to_numpy(zero_copy_only=False)
        return [float(value) for value in numbers[np.searchsorted(reached, ranks)]]


def _limited(values: pa.Array, counts: npt.NDArray[np.int64], *, complete: bool) -> ValueCounts:
    if len(values) > LIMIT:
        kept = np.argpartition(_hashes(values), LIMIT)[:LIMIT]
        values, counts, complete = values.take(pa.array(kept)), counts[kept], False
    order = pc.sort_indices(values)
    return ValueCounts(values.take(order), counts[order.to_numpy()], complete)


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _hashes(values: pa.Array) -> npt.NDArray[np.uint64]:
    """A 64-bit hash a value, the same in every process."""
    if pa.types.is_string(values.type):
        from pandas.util import hash_array

        hashes: npt.NDArray[np.uint64] = hash_array(values.to_numpy(zero_copy_only=False), categorize=False)
        return hashes
    bits = values.cast(pa.float64(), safe=False).to_numpy().view(np.uint64)
    return _splitmix(bits)


def _splitmix(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
