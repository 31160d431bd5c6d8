"""How often each value occurs: exact for up to ``LIMIT`` different values, bounded in size beyond.

Beyond the limit

- numbers share a bin with their neighbours: the fewest low bits of the float are dropped that leave at most ``KEPT``
  different bins. How many that are depends on the set of values alone, so merging stays exact and free of order, and
  the counts still add up to all rows. Bins with many rows can be divided, see ``refinement``: the rank of a quantile
  is within 1 % of the rows. Smallest and largest value stay exact.
- of strings the frequent ones are kept, their counts estimated, and a sample of all with exact counts: see
  ``frequent``, which also says how close that is. It is sums and what sums decide: exact in merging, free of order.
- different values are counted by HyperLogLog, exact and free of order in merging.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.contingency import number_keys, numbers_of
from mlcore.accumulators.distinct import HyperLogLog
from mlcore.accumulators.frequent import FrequentStrings, sorted_texts, summed_texts
from mlcore.accumulators.hashing import Hashes, hashed
from mlcore.accumulators.refinement import Refinement

LIMIT = 32_768
KEPT = 8_192
"""Fewer than ``LIMIT``, because what a year of spans keeps is merged every day."""
_FLOAT_BITS = 64
_MOST_EXACT = 1 << 53
_CELLS_A_NUMBER = 8
_FEW_CELLS = 1 << 12
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.float64] | npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spilled:
    """What is known beyond the values kept.

    Attributes:
        seen: Counts the different values.
        bits: Low bits that numbers lost.
        refinement: Of numbers: what divides bins with many rows.
        frequent: Of strings: what tells the frequent ones.
        error: Of strings: about how often one that is not kept occurs at most.
        lowest, highest: Of the numbers.
    """

    seen: HyperLogLog
    bits: int = 0
    refinement: Refinement | None = None
    frequent: FrequentStrings | None = None
    error: int = 0
    lowest: float = 0.0
    highest: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class ValueCounts:
    """Counts by value, in order of the values.

    Attributes:
        values: Strings, finite numbers or bins' bounds next to zero, sorted, each once.
        counts: How often each occurs.
        spilled: Set where not every value that occurred is here.
    """

    values: pa.Array
    counts: Counts
    spilled: Spilled | None = None

    @classmethod
    def of(cls, values: pa.Array) -> ValueCounts:
        """Count the values of an array without nulls, NaN and infinity."""
        counted = values.value_counts()
        return cls.of_counted(counted.field("values"), counted.field("counts").to_numpy())

    @classmethod
    def of_counted(cls, values: pa.Array, counts: Counts) -> ValueCounts:
        """From different values and their counts, in any order."""
        if pa.types.is_floating(values.type):
            return cls.of_numbers(*_without_negative_zero(values.to_numpy(), counts))
        if _is_text(values):
            return _texts(values, counts)
        order = pc.sort_indices(values)
        return cls._limited(values.take(order), counts[order.to_numpy()])

    @classmethod
    def of_numbers(cls, numbers: Numbers, counts: Counts, *, refined: bool = True) -> ValueCounts:
        """From sorted finite numbers, each different from the one before, and their counts.

        Args:
            numbers: Any number of them.
            counts: How often each occurs.
            refined: Whether to divide bins with many rows, which takes a quarter of a megabyte.
        """
        return cls._limited(pa.array(numbers), counts, refined=refined)

    @classmethod
    def merge(cls, parts: Sequence[ValueCounts], *, refined: bool = True) -> ValueCounts:
        """The counts of all parts together; one part at least, all of one type, all made with the same ``refined``."""
        if len(parts) == 1:
            return parts[0]
        if _is_text(parts[0].values):
            return _merged_texts(parts)
        spilled = _merged(parts, refined) if any(part.spilled for part in parts) else None
        counts = np.concatenate([part.counts for part in parts])
        if spilled:
            floats = np.concatenate([_floats(part.values) for part in parts])
            keys, counts = summed(number_keys(shortened(floats, spilled.bits)) >> spilled.bits, counts)
            bins = numbers_of(keys.astype(np.int64, copy=False), spilled.bits)
            return cls._limited(pa.array(bins), counts, spilled, refined=refined)
        values = pa.concat_arrays([part.values for part in parts])
        numbers, counts = summed(values.to_numpy(zero_copy_only=False), counts)
        return cls._limited(pa.array(numbers), counts, refined=refined)

    @property
    def complete(self) -> bool:
        """Whether every value that occurred is here, with its exact count."""
        return self.spilled is None

    @property
    def distinct(self) -> int:
        """Different values: exact when complete, otherwise with a standard error of 0.8 %."""
        return self.spilled.seen.estimate() if self.spilled else len(self.values)

    def top(self, count: int) -> list[tuple[str | float, int]]:
        """The most frequent values, ties broken by value."""
        order = np.lexsort((np.arange(len(self.counts)), -self.counts))[:count]
        values = self.values.take(pa.array(order)).to_pylist()
        return list(zip(values, self.counts[order].tolist(), strict=True))

    def ranks(self, most: int) -> list[int]:
        """The counts of the most frequent values in falling order; of strings beyond the limit, told by a sample."""
        if self.spilled and self.spilled.frequent:
            ranked = self.spilled.frequent.ranks(self.values, self.counts, most)
        else:
            ranked = np.sort(self.counts)[::-1][:most]
        return [int(count) for count in ranked]

    def divided(self) -> ValueCounts:
        """The same rows with bins of many rows divided: for whoever looks at them; to be merged no more."""
        spilled = self.spilled
        if spilled is None or spilled.refinement is None:
            return self
        low, high = number_keys(np.array([spilled.lowest, spilled.highest])).tolist()
        keys = number_keys(_floats(self.values)) >> spilled.bits
        keys, counts = spilled.refinement.divide(keys, spilled.bits, self.counts, (low, high))
        return ValueCounts(pa.array(numbers_of(keys, 0)), counts, replace(spilled, refinement=None))

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Numbers below which the given shares of the rows lie (inverse of the empirical distribution).

        Exact when complete, and for the shares 0 and 1; otherwise the bound of the bin where it lies.
        """
        if not len(self.values):
            return []
        if self.spilled and self.spilled.refinement:
            return self.divided().quantiles(shares)
        reached = np.cumsum(self.counts)
        ranks = np.ceil(np.asarray(shares) * reached[-1]).clip(1)
        numbers = self.values.to_numpy(zero_copy_only=False)[np.searchsorted(reached, ranks)].astype(np.float64)
        if self.spilled:
            numbers = numbers.clip(self.spilled.lowest, self.spilled.highest)
            numbers[ranks <= 1] = self.spilled.lowest
            numbers[ranks >= reached[-1]] = self.spilled.highest
        return [float(number) for number in numbers]

    @classmethod
    def _limited(
        cls, values: pa.Array, counts: Counts, spilled: Spilled | None = None, *, refined: bool = True
    ) -> ValueCounts:
        """Sorted numbers, counted in bins when there are more than ``LIMIT``, or were in a part."""
        if spilled is None and len(values) <= LIMIT:
            return cls(values, counts)
        numbers = _floats(values)
        spilled = spilled or _spilled(numbers, counts, HyperLogLog.of(values), refined)
        bits = fewest_bits(numbers, min(LIMIT, KEPT), spilled.bits)
        bins = shortened(numbers, bits)
        starts = _starts(bins)
        return cls(pa.array(bins[starts]), np.add.reduceat(counts, starts), replace(spilled, bits=bits))


def _merged(parts: Sequence[ValueCounts], refined: bool) -> Spilled:
    known = [part.spilled for part in parts if part.spilled]
    exact = [part for part in parts if not part.spilled and len(part.values)]
    if exact:
        numbers, counts = (
            np.concatenate(each) for each in zip(*((_floats(p.values), p.counts) for p in exact), strict=True)
        )
        seen = HyperLogLog.of(pa.concat_arrays([part.values for part in exact]))
        known = [*known, _spilled(numbers, counts, seen, refined)]
    refinements = [part.refinement for part in known if part.refinement is not None]
    return Spilled(
        seen=known[0].seen.merge(*(other.seen for other in known[1:])),
        bits=max(part.bits for part in known),
        refinement=Refinement.merge(refinements) if len(refinements) == len(known) else None,
        lowest=min(part.lowest for part in known),
        highest=max(part.highest for part in known),
    )


def _spilled(numbers: Floats, counts: Counts, seen: HyperLogLog, refined: bool) -> Spilled:
    """What is to be known of numbers before any is dropped."""
    refinement = Refinement.of(number_keys(numbers), counts) if refined else None
    return Spilled(seen=seen, refinement=refinement, lowest=float(numbers.min()), highest=float(numbers.max()))


def _texts(values: pa.Array, counts: Counts) -> ValueCounts:
    """Different strings and their counts, in any order."""
    if len(values) <= LIMIT:
        return ValueCounts(*sorted_texts(values, counts))
    hashes = hashed(values)
    return _named(FrequentStrings.of(values, hashes, counts), HyperLogLog.of_hashes(hashes), values, hashes)


def _merged_texts(parts: Sequence[ValueCounts]) -> ValueCounts:
    spilled = [part.spilled for part in parts if part.spilled]
    exact = [part for part in parts if not part.spilled]
    values, counts = pa.array([], pa.string()), np.empty(0, np.int64)
    if exact:
        values, counts = summed_texts([part.values for part in exact], [part.counts for part in exact])
    if not spilled:
        return _texts(values, counts)
    hashes = hashed(values)
    known = pa.concat_arrays([values, *(part.values for part in parts if part.spilled)]).unique()
    frequent = [FrequentStrings.of(values, hashes, counts), *(each.frequent for each in spilled if each.frequent)]
    seen = HyperLogLog.of_hashes(hashes).merge(*(each.seen for each in spilled))
    return _named(FrequentStrings.merge(frequent), seen, known, hashed(known))


def _named(frequent: FrequentStrings, seen: HyperLogLog, known: pa.Array, hashes: Hashes) -> ValueCounts:
    values, counts = frequent.kept(known, hashes)
    return ValueCounts(values, counts, Spilled(seen=seen, frequent=frequent, error=frequent.bound(values, counts)))


def fewest_bits(numbers: Floats, most: int, least: int = 0) -> int:
    """How many low bits, ``least`` at least, sorted numbers must lose so that at most so many differ."""
    choices = range(least, _FLOAT_BITS)
    enough = bisect_left(choices, -most, key=lambda bits: -_different(shortened(numbers, bits)))
    return choices[enough]


def shortened(numbers: Floats, bits: int) -> Floats:
    """The numbers without their lowest bits: closer to zero, in the same order."""
    mask = np.uint64(0xFFFF_FFFF_FFFF_FFFF) << np.uint64(bits)
    shortened: Floats = (numbers.view(np.uint64) & mask).view(np.float64) + 0.0
    return shortened


def _different(sorted_numbers: Floats) -> int:
    return 1 + int(np.count_nonzero(sorted_numbers[1:] != sorted_numbers[:-1]))


def _without_negative_zero(numbers: Floats, counts: Counts) -> tuple[pa.Array, Counts]:
    """Sorted floats, of which -0.0 and 0.0 are one."""
    order = np.argsort(numbers)
    numbers, counts = numbers[order] + 0.0, counts[order]
    zeros = np.flatnonzero(numbers == 0)
    if len(zeros) > 1:
        counts[zeros[0]] += counts[zeros[1]]
        numbers, counts = np.delete(numbers, zeros[1]), np.delete(counts, zeros[1])
    return pa.array(numbers), counts


def summed(numbers: Numbers, counts: Counts) -> tuple[Numbers, Counts]:
    """Each number once, sorted, with the sum of its counts."""
    if numbers.dtype == np.int64 and len(numbers) and int(counts.sum()) < _MOST_EXACT:
        low = int(numbers.min())
        cells = int(numbers.max()) - low + 1
        if cells <= max(_CELLS_A_NUMBER * len(numbers), _FEW_CELLS):
            totals = np.bincount(numbers - low, weights=counts, minlength=cells)
            some = np.flatnonzero(totals)
            return some + low, totals[some].astype(np.int64)
    # Arrow's hashes of numbers whose low bits are zero collide, at a thousand times the cost of sorting; and the
    # numbers are sorted runs, which a stable sort merges.
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    starts = _starts(numbers)
    return numbers[starts], np.add.reduceat(counts[order], starts) if len(starts) else counts


def _is_text(values: pa.Array) -> bool:
    return bool(pa.types.is_string(values.type))


def _starts(numbers: Numbers) -> Counts:
    """Where each different one of sorted numbers comes first."""
    return np.flatnonzero(np.concatenate([np.ones(min(len(numbers), 1), np.bool_), numbers[1:] != numbers[:-1]]))


def _floats(values: pa.Array) -> Floats:
    numbers: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers
