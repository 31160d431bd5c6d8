"""Moments, ranges and quantiles by the value of another column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.core.types import Json
from mlcore.errors import DataError
from mlcore.transform.analyzers.base import Analyzer, integers_of_text, integers_to_text
from mlcore.transform.analyzers.moments import Moments, check_squarable
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.analyzers.range import Range
from mlcore.transform.values import Column, Floats, Integers, to_floats, to_texts

MOST_KEYS = 100_000
_EXPONENTS = 1 << 14
_OFFSET = 1 << 13
_LIMBS, _LIMB_BITS = 4, 32
_LIMB = (1 << _LIMB_BITS) - 1
_MANTISSA_BITS, _HALF_BITS = 53, 27
Keys = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class KeyedMoments(Analyzer):
    """:class:`Moments` of each key; rows without a key have their own.

    The exact sums of all keys are one :class:`ExactSum` whose exponents also hold the key's place, so that merging
    is a sort and not a loop over keys.

    Attributes:
        keys: Sorted, ``None`` last.
        counts: Finite values, by key.
        total, squared: Sums by key.
    """

    name = "keyed_moments"

    keys: Keys = ()
    counts: tuple[int, ...] = ()
    total: ExactSum = field(default_factory=ExactSum)
    squared: ExactSum = field(default_factory=ExactSum)

    @classmethod
    def of(cls, *columns: Column) -> KeyedMoments:
        """Of values and keys."""
        names, codes = _coded(columns[1])
        floats = to_floats(columns[0])
        some = np.isfinite(floats)
        values, places = floats[some], codes[some]
        check_squarable(values)
        present = np.unique(codes)
        places = np.searchsorted(present, places)
        counts = np.bincount(places, minlength=len(present))
        keys = tuple(names[code] for code in present.tolist())
        return cls(keys, tuple(counts.tolist()), _sums(places, values), _sums_of_squares(places, values))

    @classmethod
    def merge(cls, parts: Sequence[KeyedMoments]) -> KeyedMoments:
        keys = _union([part.keys for part in parts])
        places = {key: place for place, key in enumerate(keys)}
        counts, total, squared = np.zeros(len(keys), np.int64), ExactSum(), ExactSum()
        for part in parts:
            moved = np.array([places[key] for key in part.keys], np.int64)
            np.add.at(counts, moved, np.array(part.counts, np.int64))
            total.merge(_moved(part.total, moved))
            squared.merge(_moved(part.squared, moved))
        return cls(keys, tuple(counts.tolist()), total, squared)

    def moments(self) -> Iterator[tuple[str | None, Moments]]:
        """Each key's."""
        totals, squares = _separate(self.total, len(self.keys)), _separate(self.squared, len(self.keys))
        for key, count, total, squared in zip(self.keys, self.counts, totals, squares, strict=True):
            yield key, Moments(count, total, squared)

    def to_json(self) -> Json:
        sums: dict[str, Json] = {
            name: [integers_to_text(part) for part in total.entries]
            for name, total in (("total", self.total), ("squared", self.squared))
        }
        return {"keys": list(self.keys), "counts": list(self.counts), **sums}

    @classmethod
    def from_json(cls, state: Any) -> KeyedMoments:
        sums = []
        for name in ("total", "squared"):
            exponents, limbs = (integers_of_text(part) for part in state[name])
            sums.append(ExactSum.of_entries(exponents, limbs.reshape(-1, _LIMBS)))
        return cls(tuple(state["keys"]), tuple(state["counts"]), *sums)


@dataclass(frozen=True, slots=True)
class KeyedRange(Analyzer):
    """:class:`Range` of each key; rows without a key have their own."""

    name = "keyed_range"

    keys: Keys = ()
    ranges: tuple[Range, ...] = ()

    @classmethod
    def of(cls, *columns: Column) -> KeyedRange:
        """Of values and keys."""
        found = [(key, Range.of(values)) for key, values in _groups(columns[0], columns[1])]
        return cls(tuple(key for key, _ in found), tuple(one for _, one in found))

    @classmethod
    def merge(cls, parts: Sequence[KeyedRange]) -> KeyedRange:
        keys = _union([part.keys for part in parts])
        by_key: dict[str | None, list[Range]] = {key: [] for key in keys}
        for part in parts:
            for key, one in zip(part.keys, part.ranges, strict=True):
                by_key[key].append(one)
        return cls(keys, tuple(Range.merge(by_key[key]) for key in keys))

    def to_json(self) -> Json:
        return {"keys": list(self.keys), "ranges": [one.to_json() for one in self.ranges]}

    @classmethod
    def from_json(cls, state: Any) -> KeyedRange:
        return cls(tuple(state["keys"]), tuple(Range.from_json(one) for one in state["ranges"]))


@dataclass(frozen=True, slots=True, eq=False)
class KeyedQuantiles(Analyzer):
    """:class:`Quantiles` of each key; rows without a key have their own."""

    name = "keyed_quantiles"

    keys: Keys = ()
    quantiles: tuple[Quantiles, ...] = ()

    @classmethod
    def of(cls, *columns: Column) -> KeyedQuantiles:
        """Of values and keys."""
        found = [(key, Quantiles.of(values)) for key, values in _groups(columns[0], columns[1])]
        return cls(tuple(key for key, _ in found), tuple(one for _, one in found))

    @classmethod
    def merge(cls, parts: Sequence[KeyedQuantiles]) -> KeyedQuantiles:
        keys = _union([part.keys for part in parts])
        by_key: dict[str | None, list[Quantiles]] = {key: [] for key in keys}
        for part in parts:
            for key, one in zip(part.keys, part.quantiles, strict=True):
                by_key[key].append(one)
        return cls(keys, tuple(Quantiles.merge(by_key[key]) for key in keys))

    def to_json(self) -> Json:
        return {"keys": list(self.keys), "quantiles": [one.to_json() for one in self.quantiles]}

    @classmethod
    def from_json(cls, state: Any) -> KeyedQuantiles:
        return cls(tuple(state["keys"]), tuple(Quantiles.from_json(one) for one in state["quantiles"]))


def _coded(keys: Column) -> tuple[list[str | None], Integers]:
    """The keys in their order, ``None`` at last, and the place of each row's among them."""
    encoded = to_texts(keys).dictionary_encode()
    dictionary = encoded.dictionary
    _check_many(len(dictionary))
    ranks = np.empty(len(dictionary) + 1, np.int64)
    ranks[pc.sort_indices(dictionary).to_numpy()] = np.arange(len(dictionary))
    ranks[-1] = len(dictionary)
    codes: Integers = ranks[pc.fill_null(encoded.indices, len(dictionary)).to_numpy()]
    return [*sorted(dictionary.to_pylist()), None], codes


def _groups(values: Column, keys: Column) -> Iterator[tuple[str | None, Floats]]:
    """The finite values of each key that occurs, in order of the keys, those without a key last."""
    floats = to_floats(values)
    names, codes = _coded(keys)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, rows in zip(starts, np.split(order, starts[1:]) if len(starts) else [], strict=True):
        group = floats[rows]
        yield names[codes[order[start]]], group[np.isfinite(group)] + 0.0


def _union(keys: Sequence[Keys]) -> Keys:
    every = set().union(*keys)
    _check_many(len(every))
    named = sorted(key for key in every if key is not None)
    return (*named, None) if None in every else tuple(named)


def _check_many(keys: int) -> None:
    if keys > MOST_KEYS:
        raise DataError(
            f"more than {MOST_KEYS:,} different keys are too many to learn something of each",
            next_step="choose a column with fewer values for by, or hash it",
        )


def _sums(places: Integers, values: Floats) -> ExactSum:
    """The exact sum of the values at each place: 53-bit integers by place and binary exponent."""
    integers, exponents = _decomposed(values)
    return _added([(places, exponents, integers)])


def _sums_of_squares(places: Integers, values: Floats) -> ExactSum:
    """``(2**27 high + low)**2`` as three sums: a 64-bit integer cannot hold the square."""
    integers, exponents = _decomposed(values)
    high, low = integers >> _HALF_BITS, integers & ((1 << _HALF_BITS) - 1)
    base = 2 * exponents - _MANTISSA_BITS
    products = ((high * high, 2 * _HALF_BITS), (high * low, _HALF_BITS + 1), (low * low, 0))
    return _added([(places, base + shift, product) for product, shift in products])


def _decomposed(values: Floats) -> tuple[Integers, Integers]:
    mantissas, exponents = np.frexp(values)
    return np.ldexp(mantissas, _MANTISSA_BITS).astype(np.int64), exponents.astype(np.int64)


def _added(parts: Sequence[tuple[Integers, Integers, Integers]]) -> ExactSum:
    """The sum of integers by place and exponent, halves of 32 bits apart so that none overflows."""
    total = ExactSum()
    for places, exponents, integers in parts:
        composite = places * _EXPONENTS + exponents + _OFFSET
        order = np.argsort(composite, kind="stable")
        composite, ordered = composite[order], integers[order]
        starts = np.flatnonzero(np.diff(composite, prepend=-1))
        limbs = np.zeros((len(starts), _LIMBS), np.int64)
        if len(starts):
            limbs[:, 0] = np.add.reduceat(ordered & _LIMB, starts)
            limbs[:, 1] = np.add.reduceat(ordered >> _LIMB_BITS, starts)
        total.merge(ExactSum.of_entries(composite[starts], limbs))
    return total


def _moved(total: ExactSum, places: Integers) -> ExactSum:
    composite, limbs = total.entries
    if not len(composite):
        return total
    return ExactSum.of_entries(places[composite // _EXPONENTS] * _EXPONENTS + composite % _EXPONENTS, limbs)


def _separate(total: ExactSum, keys: int) -> Iterator[ExactSum]:
    composite, limbs = total.entries
    bounds = np.searchsorted(composite, np.arange(keys + 1) * _EXPONENTS)
    for start, end in pairwise(bounds):
        yield ExactSum.of_entries(composite[start:end] % _EXPONENTS - _OFFSET, limbs[start:end])


def keyed_places(keys: Column, known: pa.Array) -> Integers:
    """The place of each row's key among the known ones; one after the last where it is not known."""
    places = pc.fill_null(pc.index_in(to_texts(keys), value_set=known), len(known))
    found: Integers = places.to_numpy(zero_copy_only=False).astype(np.int64)
    return found
