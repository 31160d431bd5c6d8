"""Frequent strings among too many to count each: what is kept follows from the strings and their counts alone.

No order and no partitioning changes a bit of it, because everything here is either a sum, or chosen by sums.

- Every string falls into one of ``BUCKETS`` buckets in each of ``TABLES`` tables, by its hash. A bucket holds how often
  its strings occur together and, for each of the ``SIGNS`` signs that another hash gives a string, the sum of that sign
  over all occurrences (the counters of Charikar, Chen and Farach-Colton, "Finding frequent items in data streams",
  2002; many of them to a bucket as in Cormode and Muthukrishnan, "What's hot and what's not", 2005).
- A string that agrees with these sums to more than a half, as it does when it makes up more than about half of its
  bucket, is kept by name. This measure is itself a sum over occurrences: where it is positive for all rows, it was
  positive for one of the parts they came in, and that part kept the string. So merging finds the names that one pass
  finds, whatever the parts were. (Only a string that shares its bucket and 96 of 128 signs with another can be mistaken
  for it: one pair in 10**8 does, and it would matter only where the other is at the bound within so many rows.)
- Of all strings those whose hash ends in ``level`` zeros are kept with exact counts, the level being the least that
  leaves at most ``SAMPLED`` (adaptive sampling, Wegman; Flajolet, "On adaptive sampling", 1990).

What that is worth, when a string has n of N rows: it is kept by name when n is more than about N / ``BUCKETS``, 0.05 %
of the rows, unless in every table it shares its bucket with one that is more frequent (of the twenty most frequent
strings one is lost so in about a thousand columns). Its count is off by s / 11, where s is the root of the sum of the
squares of the other counts in its bucket: by less than 2 % for a string that is barely kept, the rarer the others and
the more frequent the string, the less; exact where it is in the sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.hashing import Hashes, hashed, of_numbers

TABLES = 2
BUCKETS = 2_048
"""A power of two."""
SIGNS = 128
SAMPLED = 2_048
_AT_ONCE = 4_096
_BUCKET_SEED = np.uint64(0xD1B54A32D192ED03)
_SIGN_SEEDS = (np.uint64(0x8CB92BA72F3D8DD7), np.uint64(0x2545F4914F6CDD1D))
_WORD = 64
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrequentStrings:
    """Sums by bucket, and a sample.

    Attributes:
        totals: Occurrences by bucket, one table after the other; below 2**56.
        signs: The sums of the signs, by bucket.
        level: Zeros that a sampled string's hash ends in.
        sampled: The sample, sorted.
        counts: How often each of the sample occurs, exact.
    """

    totals: Counts
    signs: Counts
    level: int
    sampled: pa.Array
    counts: Counts

    @classmethod
    def of(cls, values: pa.Array, hashes: Hashes, counts: Counts) -> FrequentStrings:
        """From different strings in any order, their hashes, and how often each occurs."""
        totals, signs = _sums(hashes, counts)
        level, sampled, counts = _sampled(values, hashes, counts, 0)
        return cls(totals=totals, signs=signs, level=level, sampled=sampled, counts=counts)

    @classmethod
    def merge(cls, parts: Sequence[FrequentStrings]) -> FrequentStrings:
        """All occurrences of all parts; one part at least."""
        if len(parts) == 1:
            return parts[0]
        totals, signs = parts[0].totals.copy(), parts[0].signs.copy()
        for part in parts[1:]:
            totals += part.totals
            signs += part.signs
        values, counts = summed_texts([part.sampled for part in parts], [part.counts for part in parts])
        level, sampled, counts = _sampled(values, hashed(values), counts, max(part.level for part in parts))
        return cls(totals=totals, signs=signs, level=level, sampled=sampled, counts=counts)

    def kept(self, values: pa.Array, hashes: Hashes) -> tuple[pa.Array, Counts]:
        """The strings kept by name and those of the sample, sorted, and how often each occurs.

        Args:
            values: Different strings: all that occurred; of parts, all that they kept.
            hashes: Of these.
        """
        some = np.flatnonzero(self._most_of_a_bucket(hashes))
        values = pa.concat_arrays([values.take(pa.array(some)), self.sampled]).unique()
        values = values.take(pc.sort_indices(values))
        counts = self._estimates(hashed(values))
        places = pc.index_in(values, value_set=self.sampled)
        exact = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
        counts[exact] = self.counts[places.drop_null().to_numpy()]
        return values, counts

    def bound(self, kept: pa.Array, counts: Counts) -> int:
        """About how often any other string occurs at most: what the fullest bucket holds beside those kept."""
        left = self.totals.copy()
        for buckets in _buckets(hashed(kept)):
            np.subtract.at(left, buckets, counts)
        return max(int(left.reshape(TABLES, BUCKETS).max(axis=1).min()), 0)

    def ranks(self, kept: pa.Array, counts: Counts, most: int) -> Counts:
        """The counts of the most frequent strings in falling order, where those not kept are told by the sample.

        A string of the sample that is kept for no other reason stands for ``2**level`` strings.
        """
        times = np.ones_like(counts)
        only = pc.is_in(kept, value_set=self.sampled).to_numpy(zero_copy_only=False)
        only &= ~self._most_of_a_bucket(hashed(kept))
        times[only] = 1 << self.level
        order = np.argsort(-counts, kind="stable")[:most]
        return np.repeat(counts[order], np.minimum(times[order], most))[:most]

    def _most_of_a_bucket(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Of every string whether it makes up the most of its bucket, in one of the tables."""
        found = np.zeros(len(hashes), np.bool_)
        # No string agrees with a bucket more than one that agrees with the sign of every sum.
        full = _agrees(np.abs(self.signs).sum(axis=1), self.totals)
        for buckets in _buckets(hashes):
            asked = np.flatnonzero(full[buckets] & ~found)
            agreement = self._agreement(hashes[asked], buckets[asked])
            found[asked] = _agrees(agreement, self.totals[buckets[asked]])
        return found

    def _estimates(self, hashes: Hashes) -> Counts:
        """How often each string occurs, told by the emptiest of its buckets."""
        buckets = np.array(list(_buckets(hashes)))
        emptiest = np.take_along_axis(buckets, self.totals[buckets].argmin(axis=0)[None, :], axis=0)[0]
        estimates = (self._agreement(hashes, emptiest) + SIGNS // 2) // SIGNS
        return np.clip(estimates, 1, np.maximum(self.totals[emptiest], 1))

    def _agreement(self, hashes: Hashes, buckets: Counts) -> Counts:
        """The sums of buckets, each with a string's sign, added up: ``SIGNS`` for every time that it occurs."""
        total = np.zeros(len(hashes), np.int64)
        for start in range(0, len(hashes), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            sums = self.signs[buckets[part]]
            total[part] = np.where(_ones(hashes[part]), sums, -sums).sum(axis=1)
        return total


def _sums(hashes: Hashes, counts: Counts) -> tuple[Counts, Counts]:
    """Totals and sums of signs by bucket."""
    totals = np.zeros(TABLES * BUCKETS, np.int64)
    ones = np.zeros((TABLES * BUCKETS, SIGNS), np.int64)
    if not len(hashes):
        return totals, ones
    codes = _codes(hashes)
    for buckets in _buckets(hashes):
        order = np.argsort(buckets.astype(np.uint16), kind="stable")
        ordered, repeated = buckets[order], counts[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        filled = ordered[starts]
        totals[filled] = np.add.reduceat(repeated, starts)
        lane = next(bits for bits in (16, 32, 64) if bits == _WORD or int(totals[filled].max()) < 1 << bits)
        for word, code in enumerate(codes):
            ones[filled, word * _WORD : (word + 1) * _WORD] = _set_bits(code[order], repeated, starts, lane)
    return totals, 2 * ones - totals[:, None]


def _set_bits(codes: Hashes, counts: Counts, starts: Counts, lane: int) -> Counts:
    """Of each run of codes, how often each of the 64 bits is set: several bits are counted in the lanes of a word."""
    found = np.empty((len(starts), lane, _WORD // lane), np.int64)
    mask = np.uint64(sum(1 << place for place in range(0, _WORD, lane)))
    times = counts.view(np.uint64)
    for bit in range(lane):
        words = np.add.reduceat(((codes >> np.uint64(bit)) & mask) * times, starts)
        found[:, bit] = words.astype("<u8").view(f"<u{lane // 8}").reshape(len(starts), -1)
    return found.transpose(0, 2, 1).reshape(len(starts), _WORD)


def _agrees(agreement: Counts, totals: Counts) -> npt.NDArray[np.bool_]:
    """Whether it is more than half of what it would be if nothing else were there."""
    return np.asarray(agreement > SIGNS // 2 * totals)


def _buckets(hashes: Hashes) -> Sequence[Counts]:
    """The bucket of every string in each table."""
    places = of_numbers((hashes ^ _BUCKET_SEED).view(np.int64))
    width = BUCKETS.bit_length() - 1
    return [
        ((places >> np.uint64(width * table)) & np.uint64(BUCKETS - 1)).astype(np.int64) + table * BUCKETS
        for table in range(TABLES)
    ]


def _ones(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Of every string, which of its signs are positive."""
    stored = np.stack(_codes(hashes), axis=1).astype("<u8").view(np.uint8).reshape(-1, SIGNS // 8)
    return np.unpackbits(stored, axis=1, bitorder="little").view(np.bool_)


def _codes(hashes: Hashes) -> list[Hashes]:
    """The signs of every string, 64 to a word."""
    return [of_numbers((hashes ^ seed).view(np.int64)) for seed in _SIGN_SEEDS]


def _sampled(values: pa.Array, hashes: Hashes, counts: Counts, level: int) -> tuple[int, pa.Array, Counts]:
    """The least level, this one at least, that leaves few enough; what it leaves, sorted, and their counts."""
    while True:
        chosen = np.flatnonzero((hashes & np.uint64((1 << level) - 1)) == 0)
        if len(chosen) <= SAMPLED:
            return level, *sorted_texts(values.take(pa.array(chosen)), counts[chosen])
        level += 1


def summed_texts(values: Sequence[pa.Array], counts: Sequence[Counts]) -> tuple[pa.Array, Counts]:
    """Each string once, in no order, with the sum of its counts."""
    encoded = pa.concat_arrays(values).dictionary_encode()
    totals = np.zeros(len(encoded.dictionary), np.int64)
    np.add.at(totals, encoded.indices.to_numpy(), np.concatenate(counts))
    return encoded.dictionary, totals


def sorted_texts(values: pa.Array, counts: Counts) -> tuple[pa.Array, Counts]:
    """Different strings in their order, with their counts."""
    order = pc.sort_indices(values)
    return values.take(order), counts[order.to_numpy()]
