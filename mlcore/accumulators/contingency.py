"""How often the bins of one column meet the bins of another: what one tells of the other, in bounded space.

Bins are keys without their lowest bits: of numbers, a 64-bit integer in the order of the floats; of strings, their
hash. The fewest bits are dropped that leave at most ``MOST`` bins of the first and ``MOST_OUTCOMES`` of the second
column. How many that are depends on the rows alone, so merging is exact and free of order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.accumulators.hashing import hashed

MOST = 256
MOST_OUTCOMES = 64
_KEY_BITS = 64
_EXPECTED = 8.0
_MOST_DRAWN = 48
"""Where fewer than ``_EXPECTED`` rows are expected, more than these do not come."""
Counts = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Sorted keys that have lost ``bits`` low bits."""

    keys: Keys
    bits: int = 0

    @classmethod
    def of(cls, keys: Keys, most: int) -> Bins:
        """From keys in any order."""
        return cls(np.unique(keys)).at_most(most)

    def at_most(self, most: int) -> Bins:
        """So many bins, by dropping the fewest bits."""
        if len(self.keys) <= most:
            return self
        choices = range(self.bits + 1, _KEY_BITS)
        enough = bisect_left(choices, -most, key=lambda bits: -_different(self.keys >> (bits - self.bits)))
        return self.without(choices[enough])

    def without(self, bits: int) -> Bins:
        """With so many bits lost, which are no fewer than now."""
        keys = self.keys >> (bits - self.bits)
        return Bins(keys[np.concatenate([np.ones(min(len(keys), 1), np.bool_), keys[1:] != keys[:-1]])], bits)

    def merge(self, others: Sequence[Bins], most: int) -> Bins:
        """The bins of all."""
        bits = max(self.bits, *(other.bits for other in others)) if others else self.bits
        keys = [part.keys >> (bits - part.bits) for part in (self, *others)]
        return Bins(np.unique(np.concatenate(keys)), bits).at_most(most)

    def index(self, keys: Keys, bits: int = 0) -> Counts:
        """Where keys that have lost ``bits`` fall."""
        return np.searchsorted(self.keys, keys >> (self.bits - bits))


@dataclass(frozen=True, slots=True, eq=False)
class Contingency:
    """Rows by bin of a column and bin of an outcome; the last row of ``counts`` is of rows without a value."""

    bins: Bins
    outcomes: Bins
    counts: Counts

    @classmethod
    def of(cls, keys: Bins, outcomes: Bins, counts: Counts, missing: Counts) -> Contingency:
        """From any number of bins, which have a row of ``counts`` each, and the rows without a value."""
        bins = keys.at_most(MOST)
        if bins is keys:
            return cls(bins, outcomes, np.concatenate([counts, missing[None, :]]))
        starts = np.searchsorted(keys.keys >> (bins.bits - keys.bits), bins.keys)
        return cls(bins, outcomes, np.concatenate([np.add.reduceat(counts, starts), missing[None, :]]))

    @classmethod
    def of_unsorted(cls, keys: Keys, outcomes: Bins, counts: Counts, missing: Counts) -> Contingency:
        """The same from keys in any order; equal keys are added up."""
        bins, index = np.unique(keys, return_inverse=True)
        total = np.zeros((len(bins), len(outcomes.keys)), np.int64)
        np.add.at(total, index, counts)
        return cls.of(Bins(bins), outcomes, total, missing)

    @classmethod
    def merge(cls, parts: Sequence[Contingency]) -> Contingency:
        """The rows of all parts; one part at least."""
        if len(parts) == 1:
            return parts[0]
        bins = parts[0].bins.merge([part.bins for part in parts[1:]], MOST)
        outcomes = parts[0].outcomes.merge([part.outcomes for part in parts[1:]], MOST_OUTCOMES)
        counts = np.zeros((len(bins.keys) + 1, len(outcomes.keys)), np.int64)
        for part in parts:
            rows = np.append(bins.index(part.bins.keys, part.bins.bits), len(bins.keys))
            columns = outcomes.index(part.outcomes.keys, part.outcomes.bits)
            np.add.at(counts, (rows[:, None], columns[None, :]), part.counts)
        return cls(bins, outcomes, counts)

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    def at_most(self, most: int) -> Contingency:
        """So many bins of the column: for bins of numbers, whose neighbours are alike."""
        bins = self.bins.at_most(most)
        if bins is self.bins:
            return self
        starts = np.searchsorted(self.bins.keys >> (bins.bits - self.bins.bits), bins.keys)
        return Contingency(
            bins, self.outcomes, np.concatenate([np.add.reduceat(self.counts[:-1], starts), self.counts[-1:]])
        )

    def mutual_information(self) -> float:
        """The share of the outcome's entropy that the column tells, beyond what chance alone gives; 0 to 1.

        Adjusted for chance as by Vinh, Epps and Bailey (2010), with the rows of a bin drawn independently. A column
        of which chance alone tells more than half, as of one that is different in each row, is not given more credit
        than its distance from that.
        """
        rows = self.rows
        if not rows:
            return 0.0
        by_outcome, by_bin = _present(self.counts.sum(axis=0)), _present(self.counts.sum(axis=1))
        entropy = _entropy(by_outcome, rows)
        if entropy == 0:
            return 0.0
        information = entropy + _entropy(by_bin, rows) - _entropy(_present(self.counts.ravel()), rows)
        chance = max(entropy - _entropy_within(by_bin, by_outcome / rows), 0.0)
        return float(min(max((information - chance) / max(entropy - chance, entropy / 2), 0.0), 1.0))

    def correlation_ratio(self) -> float:
        """The share of the outcome's variance between the column's bins, less what chance alone gives; 0 to 1.

        Outcomes count as the middle of their bins. The correction is that of Kelley (1935).
        """
        rows, groups = self.rows, int((self.counts.sum(axis=1) > 0).sum())
        if rows <= groups:
            return 0.0
        middles = _middles(self.outcomes)
        by_bin = self.counts.sum(axis=1)
        some = by_bin > 0
        mean = float(self.counts.sum(axis=0) @ middles) / rows
        means = (self.counts[some] @ middles) / by_bin[some]
        total = float(self.counts.sum(axis=0) @ (middles - mean) ** 2)
        if total == 0:
            return 0.0
        share = float(by_bin[some] @ (means - mean) ** 2) / total
        return float(min(max(1 - (1 - share) * (rows - 1) / (rows - groups), 0.0), 1.0))


def number_keys(numbers: Floats) -> Keys:
    """Integers in the order of the floats; 0.0 and -0.0 are one."""
    bits = (numbers + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))


def numbers_of(keys: Keys, bits: int) -> Floats:
    """The floats whose keys lost ``bits`` bits: of those that have the same key, the one closest to zero."""
    low = keys << bits
    low |= np.where(keys < 0, np.int64((1 << bits) - 1), np.int64(0))
    return (low ^ ((low >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))).view(np.float64) + 0.0


def text_keys(values: pa.Array) -> Keys:
    """The strings' hashes."""
    keys: Keys = hashed(values).view(np.int64)
    return keys


def _middles(outcomes: Bins) -> Floats:
    """The floats in the middle of bins of numbers."""
    low = outcomes.keys << outcomes.bits
    high = low + ((1 << outcomes.bits) - 1)
    first, last = (keys ^ ((keys >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF)) for keys in (low, high))
    return np.asarray(first.view(np.float64) / 2 + last.view(np.float64) / 2)


def _different(sorted_keys: Keys) -> int:
    return 1 + int(np.count_nonzero(sorted_keys[1:] != sorted_keys[:-1]))


def _present(counts: Counts) -> Counts:
    some: Counts = counts[counts > 0]
    return some


def _entropy(counts: Counts, rows: int) -> float:
    shares = counts / rows
    return float(-(shares * np.log(shares)).sum())


def _entropy_within(sizes: Counts, shares: Floats) -> float:
    """The mean entropy of outcomes within bins of so many rows, where each row's outcome is drawn by its share alone.

    Of outcomes with ``_EXPECTED`` rows or more in a bin the second order in their number, of others the exact sum.
    """
    rows, (size, bins) = int(sizes.sum()), np.unique(sizes, return_counts=True)
    expected = size[:, None] * shares[None, :]
    whole = -shares * np.log(shares) - (1 - shares) / (2 * size[:, None])
    few = expected < _EXPECTED
    if few.any():
        whole[few] = _exact_terms(
            np.broadcast_to(size[:, None], few.shape)[few], np.broadcast_to(shares, few.shape)[few]
        )
    return float((whole.sum(axis=1) * size * bins).sum() / rows)


def _exact_terms(sizes: Counts, shares: Floats) -> Floats:
    """The mean of ``-x log x`` for the share x of the rows that an outcome has; no more rows than ``_MOST_DRAWN``."""
    drawn = np.arange(1, min(int(sizes.max()), _MOST_DRAWN) + 1)
    left = np.maximum(sizes[:, None] - drawn + 1, 0)
    with np.errstate(divide="ignore"):
        ways = np.cumsum(np.log(left / drawn), axis=1)
        chances = np.exp(ways + drawn * np.log(shares)[:, None] + (sizes[:, None] - drawn) * np.log1p(-shares)[:, None])
    part = drawn / sizes[:, None]
    terms: Floats = (np.where(left > 0, chances, 0.0) * -part * np.log(part)).sum(axis=1)
    return terms
