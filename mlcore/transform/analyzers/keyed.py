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
from mlcore.transform.analyzers.base import Analyzer
from mlcore.transform.analyzers.moments import Moments, check_squarable
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.analyzers.range import Range
from mlcore.transform.values import Column, Floats, Integers, to_floats, to_texts

MOST_KEYS = 100_000
_EXPONENTS = 1 << 14
_OFFSET = 1 << 13
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
        keys, counts, total, squared = [], [], ExactSum(), ExactSum()
        for place, (key, values) in enumerate(_groups(columns[0], columns[1])):
            check_squarable(values)
            part, part_squared = ExactSum(), ExactSum()
            part.add(values)
            part_squared.add_squares(values)
            total.merge(_placed(part, place))
            squared.merge(_placed(part_squared, place))
            keys.append(key)
            counts.append(len(values))
        return cls(tuple(keys), tuple(counts), total, squared)

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
        total: dict[str, Json] = {**self.total.to_json()}
        squared: dict[str, Json] = {**self.squared.to_json()}
        return {"keys": list(self.keys), "counts": list(self.counts), "total": total, "squared": squared}

    @classmethod
    def from_json(cls, state: Any) -> KeyedMoments:
        sums = (ExactSum.from_json(state["total"]), ExactSum.from_json(state["squared"]))
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


def _groups(values: Column, keys: Column) -> Iterator[tuple[str | None, Floats]]:
    """The finite values of each key that occurs, in order of the keys, those without a key last."""
    floats = to_floats(values)
    encoded = to_texts(keys).dictionary_encode()
    dictionary = encoded.dictionary
    _check_many(len(dictionary))
    ranks = np.empty(len(dictionary) + 1, np.int64)
    ranks[pc.sort_indices(dictionary).to_numpy()] = np.arange(len(dictionary))
    ranks[-1] = len(dictionary)
    codes = ranks[pc.fill_null(encoded.indices, len(dictionary)).to_numpy()]
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    names = [*sorted(dictionary.to_pylist()), None]
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


def _placed(part: ExactSum, place: int) -> ExactSum:
    exponents, limbs = part.entries
    return ExactSum.of_entries(exponents + _OFFSET + place * _EXPONENTS, limbs)


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
