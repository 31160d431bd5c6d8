"""Sums over ranges of a sequence of floats: exact, and rounded once.

A float is an integer times a power of two. The integers are cut into pieces of 32 bits at fixed places, pieces of one
place are added up from the start of the sequence, in 64 bits, and a range's sum is the difference at its ends. What
lies outside the range cancels out without a trace, which no float could promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]

_LIMB_BITS = 32
_LIMB = (1 << _LIMB_BITS) - 1
_LEAST = -1 << 13
_MOST = 1 << 62
_SPLITTER = float((1 << 27) + 1)


class RangeSums:
    """Sums over ranges of some numbers.

    Args:
        parts: Floats and their binary exponents, in turn the same number of both: what is added up at each place of
            the sequence is ``sum(floats * 2.0**exponents)``.
        whole: The same numbers as integers whose sum 64 bits hold, where they are such; parts are not looked at then.
    """

    def __init__(self, parts: Sequence[tuple[Floats, Ints | int]], whole: Ints | None = None) -> None:
        self._whole = whole is not None
        self._base, self._limbs = (0, [_running(whole)]) if whole is not None else _limbs(parts)

    @classmethod
    def of_values(cls, values: Floats | Ints) -> RangeSums:
        """Of finite numbers."""
        integers = _integers(values)
        if integers is None:
            return cls([(values.astype(np.float64), 0)])
        if _is_small(integers, 1):
            return cls((), whole=integers)
        low, high = integers & _LIMB, integers >> _LIMB_BITS
        return cls([(low.astype(np.float64), 0), (high.astype(np.float64), _LIMB_BITS)])

    @classmethod
    def of_squares(cls, values: Floats | Ints) -> RangeSums:
        """Of the squares of finite numbers; of an integer that a float cannot hold, of the nearest float."""
        integers = _integers(values)
        if integers is not None and _is_small(integers, 2):
            return cls((), whole=integers * integers)
        fractions, exponents = np.frexp(values.astype(np.float64))
        return cls([(product, 2 * exponents.astype(np.int64)) for product in two_product(fractions, fractions)])

    def rounded(self, start: Ints, stop: Ints) -> tuple[Floats, Ints]:
        """The float nearest to each range's sum, as a number whose size no float exceeds, and a binary exponent."""
        if self._whole:
            return (self._limbs[0][stop] - self._limbs[0][start]).astype(np.float64), np.zeros(1, np.int64)
        sign, limbs, top = self._leading(start, stop)
        shift = np.uint64(_LIMB_BITS) - _bits(limbs[0])  # so that the first of 64 bits is set
        first = ((limbs[0] << np.uint64(_LIMB_BITS)) | limbs[1]) << shift
        third = limbs[2] << shift
        dropped = ((third & np.uint64(_LIMB)) != 0) | (limbs[3] != 0)
        mantissa = (first | (third >> np.uint64(_LIMB_BITS))) | dropped.astype(np.uint64)
        exponent = self._base + _LIMB_BITS * (top - 1) - shift.astype(np.int64)
        return sign * mantissa.astype(np.float64), np.where(limbs[0] == 0, 0, exponent)

    def doubled(self, start: Ints, stop: Ints) -> tuple[Floats, Floats, Ints]:
        """Each range's sum as two floats that are to be added, to about 100 bits, and a binary exponent of both.

        The exponents are even.
        """
        if self._whole:
            whole = self._limbs[0][stop] - self._limbs[0][start]
            nearest = whole.astype(np.float64)
            rest = (whole - nearest.astype(np.int64)).astype(np.float64)
            return nearest, rest, np.zeros(1, np.int64)
        sign, limbs, top = self._leading(start, stop)
        total, rest = _two_sum(_scaled(limbs[0], 96), _scaled(limbs[1], 64))
        for limb, shift in ((limbs[2], 32), (limbs[3], 0)):
            total, error = _two_sum(total, _scaled(limb, shift))
            rest = rest + error
        total, rest = _two_sum(total, rest)
        return sign * total, sign * rest, self._base + _LIMB_BITS * (top - 3)

    def _leading(self, start: Ints, stop: Ints) -> tuple[Floats, list[Unsigned], Ints]:
        """Sign, the four leading pieces (of the last one's further bits: whether there are any), place of the first.

        The last piece stands for all that follow: its lowest bit is set where any of them is not zero.
        """
        limbs = [running[stop] - running[start] for running in self._limbs]
        limbs.append(np.zeros(len(start), np.int64))  # with room to carry into
        _carry(limbs)
        negative = limbs[-1] < 0
        for limb in limbs:
            np.negative(limb, out=limb, where=negative)
        _carry(limbs)
        pieces = [np.zeros(len(start), np.uint64)] * 3 + [limb.view(np.uint64) for limb in limbs]
        *further, fourth, third, second, first = pieces
        place = np.full(len(start), len(limbs) - 1)
        for piece in reversed(further):
            empty = first == 0
            place -= empty
            first, second, third = (
                np.where(empty, second, first), np.where(empty, third, second), np.where(empty, fourth, third)
            )  # fmt: skip
            fourth = np.where(empty, piece, fourth | (piece != 0))
        return np.where(negative, -1.0, 1.0), [first, second, third, fourth], place


def scaled(values: Floats, exponents: Ints) -> Floats:
    """``values * 2.0**exponents``; infinite where no float is so large."""
    if not exponents.any():
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponents.astype(np.int32))


def two_product(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """The product, and what rounding took from it (Dekker 1971)."""
    product = first * second
    first_high, first_low = _halves(first)
    second_high, second_low = _halves(second)
    error = (first_high * second_high - product) + first_high * second_low + first_low * second_high
    return product, error + first_low * second_low


def _halves(values: Floats) -> tuple[Floats, Floats]:
    much = values * _SPLITTER
    high = much - (much - values)
    return high, values - high


def _two_sum(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """The sum, and what rounding took from it (Knuth)."""
    total = first + second
    part = total - first
    return total, (first - (total - part)) + (second - part)


def _scaled(limbs: Unsigned, shift: int) -> Floats:
    return limbs.astype(np.float64) * 2.0**shift


def _integers(values: Floats | Ints) -> Ints | None:
    """The same numbers as integers, where all are some that 64 bits hold."""
    if values.dtype == np.int64:
        return values.astype(np.int64, copy=False)
    if np.all(np.abs(values) < float(_MOST)) and np.all(values == np.rint(values)):
        return values.astype(np.int64)
    return None


def _is_small(integers: Ints, power: int) -> bool:
    """Whether the sum of all, raised to a power, can be added up in 64 bits."""
    if not len(integers):
        return True
    largest = max(int(integers.max()), -int(integers.min()))
    return bool(largest**power * len(integers) < _MOST)


def _running(integers: Ints) -> Ints:
    """The sum of the first so many, from 0 on."""
    running = np.zeros(len(integers) + 1, np.int64)
    np.cumsum(integers, out=running[1:])
    return running


def _limbs(parts: Sequence[tuple[Floats, Ints | int]]) -> tuple[int, list[Ints]]:
    """The exponent of the lowest place that is needed, and running sums for every place from there on.

    Places are multiples of 32: where a number is cut does not depend on what else there is.
    """
    place = max(_highest(values, exponents) for values, exponents in parts) // _LIMB_BITS
    limbs: list[Ints] = []
    while any(values.any() for values, _ in parts):
        cut = [_cut(values, exponents, place * _LIMB_BITS) for values, exponents in parts]
        limbs.insert(0, _running(np.sum([piece for piece, _ in cut], axis=0)))
        parts = [(rest, exponents) for (_, rest), (_, exponents) in zip(cut, parts, strict=True)]
        place -= 1
    return (place + 1) * _LIMB_BITS, limbs


def _highest(values: Floats, exponents: Ints | int) -> int:
    """The exponent of the highest bit of any number that is not 0."""
    found = np.frexp(values)[1] + exponents - 1
    return int(found.max(initial=_LEAST, where=values != 0))


def _cut(values: Floats, exponents: Ints | int, lowest: int) -> tuple[Ints, Floats]:
    """The bits of each number from an exponent on as an integer, and the number without them."""
    piece = np.trunc(np.ldexp(values, exponents - lowest))
    return piece.astype(np.int64), values - np.ldexp(piece, lowest - exponents)


def _carry(limbs: list[Ints]) -> None:
    """Give every piece but the last 32 bits without a sign."""
    for limb, following in pairwise(limbs):
        following += limb >> _LIMB_BITS
        limb &= _LIMB


def _bits(limbs: Unsigned) -> Unsigned:
    """How many bits each number below 2**32 has; 32 for 0, which is not shifted."""
    _, exponents = np.frexp(limbs.astype(np.float64))
    return np.where(limbs == 0, 32, exponents).astype(np.uint64)
