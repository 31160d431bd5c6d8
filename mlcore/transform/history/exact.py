"""Sums over ranges of a sequence of floats: exact, and rounded once.

A float is an integer times a power of two. The integers are cut into pieces of 32 bits at fixed places, pieces of one
place are added up from the start of the sequence, in 64 bits, and a range's sum is the difference at its ends. What
lies outside the range cancels out without a trace, which no float could promise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]

_LIMB_BITS = 32
_LIMB = (1 << _LIMB_BITS) - 1
_MANTISSA_BITS = 53
_HALF_BITS = 26
_MOST = 1 << 62
_SPLITTER = float((1 << 27) + 1)


class RangeSums:
    """Sums over ranges of some numbers.

    Args:
        parts: Integers of at most 57 bits and their binary exponents, in turn the same number of both: what is added
            up at each place of the sequence is ``sum(integers * 2.0**exponents)``. An exponent of ``None`` is 0 for
            all, and the integers may have any size that 64 bits hold.
    """

    def __init__(self, parts: Sequence[tuple[Ints, Ints | None]]) -> None:
        self._whole = _whole(parts)
        self._base, limbs = (0, [_running(self._whole)]) if self._whole is not None else _limbs(parts)
        self._limbs = limbs

    @classmethod
    def of_values(cls, values: Floats | Ints) -> RangeSums:
        """Of finite numbers."""
        integers = _integers(values)
        if integers is None:
            return cls([_taken_apart(values.astype(np.float64))])
        if _is_small(integers, 1):
            return cls([(integers, None)])
        low, high = integers & _LIMB, integers >> _LIMB_BITS
        return cls([(low, np.zeros_like(low)), (high, np.full_like(high, _LIMB_BITS))])

    @classmethod
    def of_squares(cls, values: Floats | Ints) -> RangeSums:
        """Of the squares of finite numbers; of an integer that a float cannot hold, of the nearest float."""
        integers = _integers(values)
        if integers is not None and _is_small(integers, 2):
            return cls([(integers * integers, None)])
        mantissas, exponents = _taken_apart(values.astype(np.float64))
        absolute = np.abs(mantissas)
        high, low = absolute >> _HALF_BITS, absolute & ((1 << _HALF_BITS) - 1)
        products = ((high * high, 2 * _HALF_BITS), (high * low, _HALF_BITS + 1), (low * low, 0))
        return cls([(product, 2 * exponents + shift) for product, shift in products])

    def rounded(self, start: Ints, stop: Ints) -> tuple[Floats, Ints]:
        """The float nearest to each range's sum, as a number whose size no float exceeds, and a binary exponent."""
        if self._whole is not None:
            return (self._limbs[0][stop] - self._limbs[0][start]).astype(np.float64), np.zeros(len(start), np.int64)
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
        if self._whole is not None:
            whole = self._limbs[0][stop] - self._limbs[0][start]
            nearest = whole.astype(np.float64)
            rest = (whole - nearest.astype(np.int64)).astype(np.float64)
            return nearest, rest, np.zeros(len(start), np.int64)
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
        zero = np.zeros(len(start), np.int64)
        limbs = [*(running[stop] - running[start] for running in self._limbs), zero, zero]  # with room to carry into
        _carry(limbs)
        negative = limbs[-1] < 0
        limbs = [np.where(negative, -limb, limb) for limb in limbs]
        _carry(limbs)
        stacked = np.stack([zero, zero, zero, *limbs]).view(np.uint64)
        filled = stacked != 0
        top = len(stacked) - 1 - np.argmax(filled[::-1], axis=0)
        top[~filled.any(axis=0)] = 3
        lowest = np.argmax(filled, axis=0)
        leading = [np.take_along_axis(stacked, (top - back)[None], axis=0)[0] for back in range(4)]
        leading[3] |= ((lowest < top - 3) & (leading[0] != 0)).astype(np.uint64)
        return np.where(negative, -1.0, 1.0), leading, top - 3


def scaled(values: Floats, exponents: Ints) -> Floats:
    """``values * 2.0**exponents``; infinite where no float is so large."""
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


def _whole(parts: Sequence[tuple[Ints, Ints | None]]) -> Ints | None:
    ((integers, exponents), *others) = parts
    return integers if exponents is None and not others else None


def _taken_apart(values: Floats) -> tuple[Ints, Ints]:
    """Integers of 53 bits with a sign, and exponents."""
    fractions, exponents = np.frexp(values)
    return np.ldexp(fractions, _MANTISSA_BITS).astype(np.int64), exponents.astype(np.int64) - _MANTISSA_BITS


def _running(integers: Ints) -> Ints:
    """The sum of the first so many, from 0 on."""
    running = np.zeros(len(integers) + 1, np.int64)
    np.cumsum(integers, out=running[1:])
    return running


def _limbs(parts: Sequence[tuple[Ints, Ints | None]]) -> tuple[int, list[Ints]]:
    """The exponent of the lowest place that is needed, and running sums for every place from there on.

    Places are multiples of 32: where a number is cut does not depend on what else there is.
    """
    deposits: list[tuple[Ints, Ints]] = []
    for integers, exponents in parts:
        assert exponents is not None
        deposits += _deposits(integers, exponents)
    used = [(places[pieces != 0], pieces) for places, pieces in deposits]
    lowest = min((int(places.min()) for places, _ in used if len(places)), default=0)
    highest = max((int(places.max()) for places, _ in used if len(places)), default=0)
    limbs = []
    for place in range(lowest, highest + 1):
        at_place = np.zeros(len(parts[0][0]), np.int64)
        for places, pieces in deposits:
            at_place += np.where(places == place, pieces, 0)
        limbs.append(_running(at_place))
    return lowest * _LIMB_BITS, limbs


def _deposits(integers: Ints, exponents: Ints) -> list[tuple[Ints, Ints]]:
    """Each number as three pieces of 34 bits at most, with the places they belong to."""
    places, offsets = exponents >> 5, exponents & 31
    signs, absolute = np.sign(integers), np.abs(integers)
    low, high = (absolute & _LIMB) << offsets, (absolute >> _LIMB_BITS) << offsets
    return [
        (places, signs * (low & _LIMB)),
        (places + 1, signs * ((low >> _LIMB_BITS) + (high & _LIMB))),
        (places + 2, signs * (high >> _LIMB_BITS)),
    ]


def _carry(limbs: list[Ints]) -> None:
    """Give every piece but the last 32 bits without a sign."""
    for place in range(len(limbs) - 1):
        limbs[place + 1] = limbs[place + 1] + (limbs[place] >> _LIMB_BITS)
        limbs[place] = limbs[place] & _LIMB


def _bits(limbs: Unsigned) -> Unsigned:
    """How many bits each number below 2**32 has; 32 for 0, which is not shifted."""
    _, exponents = np.frexp(limbs.astype(np.float64))
    return np.where(limbs == 0, 32, exponents).astype(np.uint64)
