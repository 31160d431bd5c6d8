"""What lies within the bins of numbers that hold too many rows, from sums alone.

Bins that are as many as are kept tell ranks well where numbers spread evenly over the scales that they cover. Where
half of them lie close together and the others on hundreds of scales, one bin holds half of the rows. So for some
levels of closeness (how many low bits of a number's key are left out) the rows are counted once more: those of a
group of 256 neighbouring cells in one of ``BUCKETS`` rows of counters, by the hash of the group, with the sign that
another bit of the hash gives it; twice, by other hashes. A group that holds many rows shows in its counters, the
others there mostly cancel out (dyadic count sketch: Wang, Luo, Yi and Cormode, "Quantiles over data streams", 2013,
with 256 branches in the place of two). These are sums: no order and no partitioning changes them.

Bins with more than one in ``MOST_SHARE`` of the rows are divided by them, cell by cell and level by level. Then the
rank of a quantile is off by 1 / ``MOST_SHARE`` and what did not cancel out: less than 1 % of the rows together, unless
a dozen and more groups hold most rows, of which two are likely to meet; or unless rows differ by less than one part in
10**11, on which nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlcore.accumulators.hashing import of_numbers

LEVELS = (16, 24, 32, 40, 48)
"""Low bits left out; in steps of the bits of a cell's number."""
TABLES = 2
BUCKETS = 64
CELLS = 256
MOST_SHARE = 256
_CELL_BITS = 8
_BUCKET_BITS = 6
_HIGHEST = 63
_MOST_EXACT = 1 << 53
_SEEDS = of_numbers(np.arange(1, 1 + len(LEVELS)))
"""So that groups of different levels, whose numbers may be equal, fall apart."""
Counts = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """Sums by level, table and bucket, and cell."""

    sums: Counts

    @classmethod
    def of(cls, keys: Keys, counts: Counts) -> Refinement:
        """From the keys of numbers, in any order, though sorted ones are quicker, and how often each occurs."""
        sums = np.zeros((len(LEVELS), TABLES * BUCKETS, CELLS), np.int64)
        exact = int(counts.sum()) < _MOST_EXACT
        lost = 0
        for level, bits in enumerate(LEVELS):
            keys, counts = _runs(keys >> (bits - lost), counts)
            lost = bits
            cells, groups = keys & (CELLS - 1), keys >> _CELL_BITS
            for buckets, negative in _places(groups, level):
                index, signed = buckets * CELLS + cells, np.where(negative, -counts, counts)
                flat = sums[level].reshape(-1)
                if exact:
                    flat += np.bincount(index, weights=signed, minlength=len(flat)).astype(np.int64)
                else:
                    np.add.at(flat, index, signed)
        return cls(sums)

    @classmethod
    def merge(cls, parts: Sequence[Refinement]) -> Refinement:
        """The sums of all parts; one part at least."""
        total = parts[0].sums.copy()
        for part in parts[1:]:
            total += part.sums
        return cls(total)

    def divide(self, keys: Keys, bits: int, counts: Counts, ends: tuple[int, int]) -> tuple[Keys, Counts]:
        """Bins with the fullest ones divided.

        Args:
            keys: Of the bins, sorted, without ``bits`` low bits.
            bits: How many.
            counts: Rows of each; they are the same together afterwards.
            ends: The least and the greatest key of a number, with all bits.

        Returns:
            Keys with all bits, the left-out ones zero for positive keys and one for negative ones; and counts.
        """
        most = max(int(counts.sum()) // MOST_SHARE, 1)
        finer = [level for level, lost in enumerate(LEVELS) if lost < bits]
        if not finer or int(counts.max()) <= most:
            return _filled(keys, bits), counts
        made, rows, start = [], [], 0
        for place in np.flatnonzero(counts > most).tolist():
            found = self._divided(int(keys[place]), bits, int(counts[place]), most, finer, ends)
            made += [_filled(keys[start:place], bits), np.array([key for key, _ in found], np.int64)]
            rows += [counts[start:place], np.array([some for _, some in found], np.int64)]
            start = place + 1
        return np.concatenate([*made, _filled(keys[start:], bits)]), np.concatenate([*rows, counts[start:]])

    def _divided(
        self, key: int, bits: int, rows: int, most: int, finer: Sequence[int], ends: tuple[int, int]
    ) -> list[tuple[int, int]]:
        """The cells of one bin, in order, with their rows."""
        if rows <= most or not finer:
            return [((key << bits) | ((1 << bits) - 1 if key < 0 else 0), rows)]
        lost = LEVELS[finer[-1]]
        first, end = key << (bits - lost), (key + 1) << (bits - lost)
        cells = np.arange(max(first, ends[0] >> lost), min(end, (ends[1] >> lost) + 1))
        found = [
            part
            for cell, some in _grouped(cells, self._estimated(cells, finer[-1], rows), most)
            for part in self._divided(cell, lost, some, most, finer[:-1], ends)
        ]
        return found or self._divided(key, bits, rows, most, (), ends)

    def _estimated(self, cells: Keys, level: int, rows: int) -> Counts:
        """About how many rows each of neighbouring cells holds, by the table that fits best; together ``rows``."""
        groups, numbers = cells >> _CELL_BITS, cells & (CELLS - 1)
        best, least = np.zeros(len(cells)), np.inf
        for buckets, negative in _places(groups, level):
            found = np.where(negative, -1.0, 1.0) * self.sums[level][buckets, numbers]
            misfit = abs(float(found.sum()) - rows) + float(np.abs(found[found < 0]).sum())
            if misfit < least:
                best, least = np.maximum(found, 0.0), misfit
        reached = np.cumsum(best)
        if not reached[-1]:
            return np.zeros(len(cells), np.int64)
        scaled = np.floor(reached / reached[-1] * rows).astype(np.int64)
        scaled[reached == reached[-1]] = rows
        return np.asarray(np.diff(scaled, prepend=0), np.int64)


def _grouped(cells: Keys, rows: Counts, most: int) -> list[tuple[int, int]]:
    """Cells with rows; small ones that follow each other are put together, until they are a quarter of too many."""
    found: list[tuple[int, int]] = []
    for cell, some in zip(cells[rows > 0].tolist(), rows[rows > 0].tolist(), strict=True):
        if found and found[-1][1] + some <= most // 4:
            found[-1] = (found[-1][0], found[-1][1] + some)
        else:
            found.append((cell, some))
    return found


def _runs(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
    """Equal neighbours as one."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), np.bool_), keys[1:] != keys[:-1]]))
    if len(starts) == len(keys):
        return keys, counts
    return keys[starts], np.add.reduceat(counts, starts)


def _filled(keys: Keys, bits: int) -> Keys:
    """With bits at the end: of numbers that have the same key, the one closest to zero."""
    return (keys << bits) | np.where(keys < 0, np.int64((1 << bits) - 1), np.int64(0))


def _places(groups: Keys, level: int) -> list[tuple[Counts, npt.NDArray[np.bool_]]]:
    """In each table, the bucket of every group and whether its sign is negative."""
    hashes = of_numbers((groups.view(np.uint64) ^ _SEEDS[level]).view(np.int64))
    return [
        (
            ((hashes >> np.uint64(table * _BUCKET_BITS)) & np.uint64(BUCKETS - 1)).astype(np.int64) + table * BUCKETS,
            (hashes >> np.uint64(_HIGHEST - table)) & np.uint64(1) == 1,
        )
        for table in range(TABLES)
    ]
