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
_MOST = 1 << 62
_BLOCK = 1 << 15  # rows: a few arrays of so many numbers fit the cache of a core
_FOLD = 4


@dataclass(frozen=True, slots=True)
class Windows:
    """Past rows that belong together lie side by side: what each row sees is a range of them.

    Attributes:
        rows: Numbers of some rows that look.
        order: Numbers of the past rows that any of them sees, in order of key and moment.
        tied: Which of these, in that order, have the key and the moment of the next one.
        start: Of each row, where its range of these starts.
        stop: Of each row, where it ends; not before its start.
    """

    rows: Ints
    order: Ints
    tied: Ints
    start: Ints
    stop: Ints

    @property
    def lengths(self) -> Ints:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Past:
    """Past rows, and the rows that look at them, both in order of key and moment.

    Attributes:
        order: Numbers of the past rows, in that order; those that no row can see are left out.
        codes: Of each of these, in that order, the number of its key.
        moments: Of each of these, in that order, microseconds since 1970.
        rows: Numbers of the rows that look, in that order; those without a whole key or a moment are left out.
        row_codes: Of each of these, in that order, the number of its key.
        row_moments: Of each of these, in that order, microseconds since 1970.
    """

    order: Ints
    codes: Ints
    moments: Ints
    rows: Ints
    row_codes: Ints
    row_moments: Ints

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
        codes, seen_codes = _codes([(rows[name], past[name]) for name in by], len(moments), len(seen))
        looking = np.flatnonzero((codes >= 0) & ~_missing(rows[event_timestamp]))
        codes, seen_codes = _asked(codes, looking, seen_codes)
        visible = (seen_codes >= 0) & ~_missing(past[event_timestamp])
        if len(looking):
            earliest, latest = moments[looking].min(), moments[looking].max()
            visible &= (seen >= earliest - over // _MICROSECOND) & (seen < latest)
        order, seen_codes = _in_order(seen_codes, seen, np.flatnonzero(visible))
        looking, codes = _in_order(codes, moments, looking)
        return cls(
            order=order,
            codes=seen_codes,
            moments=seen[order],
            rows=looking,
            row_codes=codes,
            row_moments=moments[looking],
        )

    def windows(self, *, over: timedelta, delay: timedelta) -> Iterator[Windows]:
        """What each row sees: moments of ``[its own - over, its own - delay]``, its own never among them.

        Some rows at a time, so that what is computed of them stays in the processor's cache; several times as many as
        the longest of their ranges, where that is more, so that few past rows are looked at twice.
        """
        first = 0
        while first < len(self.rows):
            few = slice(first, first + _BLOCK)
            start, stop = self._ranges(few, over // _MICROSECOND, delay // _MICROSECOND)
            longest = int((stop - start).max())
            if longest > _BLOCK:
                few = slice(first, first + _FOLD * longest)
                start, stop = self._ranges(few, over // _MICROSECOND, delay // _MICROSECOND)
            seen = slice(int(start[0]), int(stop[-1]))
            yield Windows(
                rows=self.rows[few],
                order=self.order[seen],
                tied=self._tied(seen),
                start=start - seen.start,
                stop=stop - seen.start,
            )
            first = few.stop

    def _tied(self, past: slice) -> Ints:
        codes, moments = self.codes[past], self.moments[past]
        return np.flatnonzero((moments[1:] == moments[:-1]) & (codes[1:] == codes[:-1]))

    def _ranges(self, rows: slice, over: int, delay: int) -> tuple[Ints, Ints]:
        """Where the ranges of some rows start and stop, both ascending.

        Key and moment make one number; where that would be too large, of fewer rows at a time.
        """
        codes, moments = self.row_codes[rows], self.row_moments[rows]
        earliest, latest = int(moments.min()) - over, int(moments.max())
        apart = latest - earliest + 2
        if int(codes[-1] - codes[0] + 1) * apart >= _MOST:
            middle = rows.start + len(codes) // 2
            halves = (slice(rows.start, middle), slice(middle, rows.stop))
            starts, stops = zip(*(self._ranges(half, over, delay) for half in halves), strict=True)
            return np.concatenate(starts), np.concatenate(stops)
        first, after = self._place(codes[0], moments[0] - over), self._place(codes[-1], moments[-1])
        seen = (self.codes[first:after] - codes[0]) * apart
        seen += np.clip(self.moments[first:after], earliest - 1, latest) - earliest
        own = (codes - codes[0]) * apart + (moments - earliest)
        start = np.searchsorted(seen, own - over)
        until = np.searchsorted(seen, own - delay, side="right" if delay else "left")
        return first + start, first + np.maximum(start, until)

    def _place(self, code: np.int64, moment: np.int64) -> int:
        """How many past rows there are before a moment of a key."""
        first, after = np.searchsorted(self.codes, [code, code + 1])
        return int(first + np.searchsorted(self.moments[first:after], moment))


def _microseconds(column: pa.Array) -> Ints:
    return filled(column.cast(pa.int64()), 0)


def filled(column: pa.Array, missing: float) -> npt.NDArray[Any]:
    """Numbers, with one for what is missing."""
    whole = pc.fill_null(column, missing) if column.null_count else column
    return np.asarray(whole.to_numpy())


def _missing(column: pa.Array) -> Mask:
    missing: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return missing


def _codes(columns: Sequence[tuple[pa.Array, pa.Array]], rows: int, past: int) -> tuple[Ints, Ints]:
    """A number for each key, of the rows and of the past rows, -1 where a part of it is missing."""
    codes, count = np.zeros(rows + past, np.int64), 1
    for both in columns if rows + past else ():
        encoded = pa.chunked_array(both).dictionary_encode()
        values = len(encoded.chunk(0).dictionary)
        if count * max(values, 1) >= _MOST:
            codes, count = _fewer(codes)
        found = np.concatenate([filled(chunk.indices, -1) for chunk in encoded.chunks])
        missing = (codes < 0) | (found < 0)
        codes *= values
        codes += found
        codes[missing] = -1
        count *= max(values, 1)
        if count > 4 * (rows + past) + 1:
            codes, count = _fewer(codes)
    return codes[:rows], codes[rows:]


def _fewer(codes: Ints) -> tuple[Ints, int]:
    """The same keys by the numbers from 0 on."""
    found, numbers = np.unique(codes, return_inverse=True)
    missing = int(len(found) > 0 and found[0] < 0)
    return numbers - missing, len(found) - missing


def _asked(codes: Ints, looking: Ints, seen_codes: Ints) -> tuple[Ints, Ints]:
    """The keys of rows that look by the numbers from 0 on, of past rows the same; -1 for any other."""
    asked = np.zeros(max(codes.max(initial=-1), seen_codes.max(initial=-1)) + 2, np.bool_)
    asked[codes[looking]] = True
    numbers = np.where(asked, np.cumsum(asked) - 1, -1)  # the last one, of no key, is where -1 points
    return numbers[codes], numbers[seen_codes]


def _in_order(codes: Ints, moments: Ints, numbers: Ints) -> tuple[Ints, Ints]:
    """Some rows' numbers in order of code and moment, and their codes; rows mostly come in order of moment."""
    in_time = bool(np.all(moments[1:] >= moments[:-1]))
    if not in_time:
        numbers = numbers[np.argsort(moments[numbers], kind="stable")]
    bits = len(codes).bit_length()
    keys = codes[numbers]
    keys <<= bits
    keys |= numbers if in_time else np.arange(len(numbers))
    keys.sort()
    places = keys & ((1 << bits) - 1)
    keys >>= bits
    return places if in_time else numbers[places], keys
