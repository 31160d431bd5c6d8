"""Which past rows each row sees: those of its key, from ``over`` before it until ``delay`` before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_MICROSECOND = timedelta(microseconds=1)
_MOST_CODES = 1 << 62
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Windows:
    """Past rows that belong together lie side by side: what each row sees is a range of them.

    Attributes:
        start: Of each row, where its range starts.
        stop: Of each row, where it ends; not before its start.
    """

    start: Ints
    stop: Ints

    @property
    def lengths(self) -> Ints:
        return self.stop - self.start

    def blocks(self) -> Iterator[Windows]:
        """The same, some rows at a time: what is computed of them stays in the processor's cache."""
        for first in range(0, max(len(self.start), 1), _BLOCK):
            yield Windows(start=self.start[first : first + _BLOCK], stop=self.stop[first : first + _BLOCK])


@dataclass(frozen=True, slots=True)
class Past:
    """Past rows, and the rows that look at them, both in order of key and moment.

    Attributes:
        order: Numbers of the past rows, in that order; those that no row can see are left out.
        places: Key and moment of each of these as one number: equal where both are, ascending.
        rows: Numbers of the rows that look, in that order.
        keyed: Which of them, in that order, have a whole key, and a moment.
        codes: Of each, in that order, the number of its key; 0 where it has none.
        moments: Of the rows as they were given, in microseconds since 1970.
        known_moments: Moments of past rows, each once, ascending: what places are made of.
    """

    order: Ints
    places: Ints
    rows: Ints
    keyed: Mask
    codes: Ints
    moments: Ints
    known_moments: Ints

    @classmethod
    def of(
        cls,
        rows: Mapping[str, pa.Array],
        past: Mapping[str, pa.Array],
        *,
        by: Sequence[str],
        event_timestamp: str,
        over: timedelta,
    ) -> Past:
        """The rows in order.

        Args:
            rows: Columns of the rows that look.
            past: The same columns of the rows that are looked at, in any order.
            by: The key.
            event_timestamp: Microseconds in UTC.
            over: How far back any row looks.
        """
        moments, seen = _microseconds(rows[event_timestamp]), _microseconds(past[event_timestamp])
        codes, seen_codes, count = _codes([(rows[name], past[name]) for name in by], len(moments), len(seen))
        codes[_missing(rows[event_timestamp])] = -1
        seen_codes[_missing(past[event_timestamp])] = -1
        asked = np.zeros(count + 1, np.bool_)
        asked[codes] = True
        asked[-1] = False  # which is where -1, a key that is missing, points
        visible = asked[seen_codes]
        if len(moments):
            visible &= (seen >= moments.min() - over // _MICROSECOND) & (seen < moments.max())
        numbers = np.flatnonzero(visible)
        known, ranks = _ranked(seen[numbers])
        order = _in_order(seen_codes[numbers], ranks, count)
        looking = _in_order(np.maximum(codes, 0), moments, count)
        return cls(
            order=numbers[order],
            places=seen_codes[numbers[order]] * max(len(known), 1) + ranks[order],
            rows=looking,
            keyed=codes[looking] >= 0,
            codes=np.maximum(codes[looking], 0),
            moments=moments,
            known_moments=known,
        )

    def windows(self, *, over: timedelta, delay: timedelta) -> Windows:
        """What each row sees: moments of ``[its own - over, its own - delay]``, its own never among them."""
        known = self.known_moments  # moments come mostly in order, and are looked for in far less time then
        first = np.searchsorted(known, self.moments - over // _MICROSECOND)
        after = np.searchsorted(known, self.moments)
        if delay:
            after = np.searchsorted(known, self.moments - delay // _MICROSECOND, side="right")
        base = self.codes * max(len(known), 1)
        start = np.searchsorted(self.places, base + first[self.rows])
        stop = np.maximum(np.searchsorted(self.places, base + after[self.rows]), start)
        stop[~self.keyed] = start[~self.keyed]
        return Windows(start=start, stop=stop)

    def placed(self, values: pa.Array) -> pa.Array:
        """Values of the rows in order, as the rows were given."""
        places = np.empty(len(self.rows), np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return values.take(pa.array(places))


def _microseconds(column: pa.Array) -> Ints:
    return filled(column.cast(pa.int64()), 0)


def filled(column: pa.Array, missing: float) -> npt.NDArray[Any]:
    """Numbers, with one for what is missing."""
    whole = pc.fill_null(column, missing) if column.null_count else column
    return np.asarray(whole.to_numpy())


def _missing(column: pa.Array) -> Mask:
    missing: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _codes(columns: Sequence[tuple[pa.Array, pa.Array]], rows: int, past: int) -> tuple[Ints, Ints, int]:
    """A number for each key, of the rows and of the past rows, -1 where a part of it is missing; and how many."""
    codes, count = np.zeros(rows + past, np.int64), 1
    for both in columns if rows + past else ():
        encoded = pa.chunked_array(both).dictionary_encode()
        found = np.concatenate([_indices(chunk) for chunk in encoded.chunks])
        values = len(encoded.chunk(0).dictionary)
        if count * max(values, 1) >= _MOST_CODES:
            codes, count = _fewer(codes)
        codes = np.where((codes < 0) | (found < 0), -1, codes * values + found)
        count *= max(values, 1)
        if count > 4 * (rows + past) + 1:
            codes, count = _fewer(codes)
    return codes[:rows], codes[rows:], count


def _indices(chunk: pa.DictionaryArray) -> Ints:
    return filled(chunk.indices, -1).astype(np.int64)


def _fewer(codes: Ints) -> tuple[Ints, int]:
    """The same keys by the numbers from 0 on."""
    found, numbers = np.unique(codes, return_inverse=True)
    missing = int(len(found) > 0 and found[0] < 0)
    return numbers - missing, len(found) - missing


def _ranked(moments: Ints) -> tuple[Ints, Ints]:
    """The different moments in order, and which of them each is."""
    order = _by_moment(moments)
    ordered = moments[order]
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    ranks = np.empty(len(ordered), np.int64)
    ranks[order] = np.cumsum(first) - 1
    return ordered[first], ranks


def _by_moment(moments: Ints) -> Ints:
    """Their order; rows mostly come in it."""
    if len(moments) == 0 or np.all(moments[1:] >= moments[:-1]):
        return np.arange(len(moments))
    return np.argsort(moments, kind="stable")


def _in_order(codes: Ints, moments: Ints, count: int) -> Ints:
    """The order by code, then by moment; digits of 16 bits are sorted without a comparison."""
    order = _by_moment(moments)
    for shift in range(0, max(count - 1, 0).bit_length(), 16):
        digits = ((codes >> shift) & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(digits[order], kind="stable")]
    return order
