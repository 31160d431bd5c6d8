"""Sums of floats without rounding, so that no order and no partitioning changes a bit of a mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

MANTISSA_BITS = 53
_FRACTION_BITS = 52
_FRACTION = (1 << _FRACTION_BITS) - 1
_HALF_BITS = 26
_LIMB_BITS = 32
_LIMBS = 4
_LIMB = (1 << _LIMB_BITS) - 1
_CHUNK = 1 << 18
_MOST = 1 << 60
"""Values times their counts, of a chunk: so that a float tells which multiple of 2**64 a sum has passed."""
_MOST_WAITING = 64

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]
Entries = tuple[Counts, Counts]
"""Exponents, and an integer for each as four limbs of 32 bits, lowest first, the last with the sign."""


class ExactSum:
    """The exact sum of finite floats: an integer for every binary exponent.

    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0, -1e16]))
    >>> float(total)
    1.0
    """

    __slots__ = ("_settled", "_waiting")

    def __init__(self) -> None:
        self._settled = False
        self._waiting: list[Entries] = []

    def add(self, values: Floats, counts: Counts | None = None) -> None:
        """Add finite values, each as often as ``counts`` says or once; 4 ns each where they are sorted."""
        for part, repeated in _chunks(values, counts):
            self._put(_sums(part, repeated))

    def add_squares(self, values: Floats, counts: Counts | None = None) -> None:
        """Add the squares of finite values, exact also where a float could not hold them."""
        for part, repeated in _chunks(values, counts):
            self._put(_sums_of_squares(part, repeated))

    def merge(self, other: ExactSum) -> None:
        for entries in list(other._waiting):
            self._put(entries)

    @property
    def entries(self) -> Entries:
        """The state: the same values give the same arrays."""
        if not self._settled:
            self._waiting, self._settled = [_settled(self._waiting)], True
        return self._waiting[0]

    @classmethod
    def of_entries(cls, exponents: Counts, limbs: Counts) -> ExactSum:
        """The sum that had these :attr:`entries`."""
        made = cls()
        made._waiting, made._settled = [(exponents, limbs)], True
        return made

    def fraction(self) -> Fraction:
        """The sum as an exact rational number."""
        parts = self._parts()
        if not parts:
            return Fraction(0)
        lowest = min(parts)
        integer = sum(integer << (exponent - lowest) for exponent, integer in parts.items())
        shift = lowest - MANTISSA_BITS
        return Fraction(integer << shift) if shift >= 0 else Fraction(integer, 1 << -shift)

    def __float__(self) -> float:
        return float(self.fraction())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExactSum) and self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # it changes when something is added

    def to_json(self) -> dict[str, int]:
        """The state: the same values give the same state."""
        return {str(exponent): integer for exponent, integer in self._parts().items()}

    @classmethod
    def from_json(cls, state: Mapping[str, int]) -> ExactSum:
        exponents = sorted(int(exponent) for exponent in state)
        limbs = [_limbs_of(state[str(exponent)]) for exponent in exponents]
        return cls.of_entries(np.array(exponents, np.int64), np.array(limbs, np.int64).reshape(-1, _LIMBS))

    def _parts(self) -> dict[int, int]:
        exponents, limbs = self.entries
        return {
            exponent: sum(limb << (_LIMB_BITS * place) for place, limb in enumerate(row))
            for exponent, row in zip(exponents.tolist(), limbs.tolist(), strict=True)
        }

    def _put(self, entries: Entries) -> None:
        self._waiting.append(entries)
        self._settled = False
        if len(self._waiting) > _MOST_WAITING:
            self._waiting = [_settled(self._waiting)]


def merged(sums: Sequence[ExactSum]) -> ExactSum:
    """The sum of all."""
    return ExactSum.of_entries(*_settled([entries for each in sums for entries in each._waiting]))


def square_root(value: Fraction) -> float:
    """The root of a number that is not negative, and may be too large or too small for a float.

    >>> square_root(Fraction(4) * Fraction(10) ** 400)
    2e+200
    """
    shift = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** shift), shift)


def _chunks(values: Floats, counts: Counts | None) -> list[tuple[Floats, Counts | None]]:
    """The values in order, in chunks whose sums can be told exactly."""
    if len(values) > 1 and not bool((values[1:] >= values[:-1]).all()):
        if counts is None:
            values = np.sort(values)
        else:
            order = np.argsort(values)
            values, counts = values[order], counts[order]
    return _halved(values, counts)


def _halved(values: Floats, counts: Counts | None) -> list[tuple[Floats, Counts | None]]:
    size = len(values)
    if size == 0:
        return []
    if size == 1 or (size <= _CHUNK and (counts is None or size * int(counts.sum()) <= _MOST)):
        return [(values, counts)]
    first, second = slice(size // 2), slice(size // 2, None)
    return [
        *_halved(values[first], None if counts is None else counts[first]),
        *_halved(values[second], None if counts is None else counts[second]),
    ]


def _sums(values: Floats, counts: Counts | None) -> Entries:
    mantissas, exponents, negative, starts = _decomposed(values)
    return exponents - 1022, _added(mantissas, counts, starts, negative)


def _sums_of_squares(values: Floats, counts: Counts | None) -> Entries:
    """``(2**26 high + low)**2`` as three sums: a 64-bit integer cannot hold the square."""
    mantissas, exponents, negative, starts = _decomposed(values)
    high, low = mantissas >> np.uint64(_HALF_BITS), mantissas & np.uint64((1 << _HALF_BITS) - 1)
    positive = np.zeros_like(negative)
    base = 2 * exponents - 2097
    limbs = [_added(product, counts, starts, positive) for product in (high * high, high * low, low * low)]
    offsets = (2 * _HALF_BITS, _HALF_BITS + 1, 0)
    return np.concatenate([base + offset for offset in offsets]), np.concatenate(limbs)


def _decomposed(values: Floats) -> tuple[Unsigned, Counts, npt.NDArray[np.bool_], Counts]:
    """Mantissas of all values, and of each run of equal sign and exponent: exponent, sign, start."""
    bits = values.view(np.int64)
    heads = bits >> _FRACTION_BITS
    starts = np.flatnonzero(np.concatenate([[True], heads[1:] != heads[:-1]]))
    exponents = heads[starts] & 0x7FF
    mantissas = bits & _FRACTION
    implied = np.where(exponents > 0, np.int64(1 << _FRACTION_BITS), np.int64(0))
    mantissas |= np.repeat(implied, np.diff(starts, append=len(values)))
    return mantissas.view(np.uint64), np.maximum(exponents, 1), heads[starts] < 0, starts


def _added(integers: Unsigned, counts: Counts | None, starts: Counts, negative: npt.NDArray[np.bool_]) -> Counts:
    """The exact sum of each run, as limbs: its lowest 64 bits are counted, the rest is told by a sum of floats."""
    about = integers.astype(np.float64)
    if counts is not None:
        integers = integers * counts.view(np.uint64)
        about *= counts
    low = np.add.reduceat(integers, starts)
    passed = np.rint((np.add.reduceat(about, starts) - low.astype(np.float64)) * 2.0**-64).astype(np.int64)
    limbs = np.zeros((len(starts), _LIMBS), np.int64)
    limbs[:, 0] = (low & np.uint64(_LIMB)).view(np.int64)
    limbs[:, 1] = (low >> np.uint64(_LIMB_BITS)).view(np.int64)
    limbs[:, 2] = passed
    limbs[negative] *= -1
    return limbs


def _settled(entries: Sequence[Entries]) -> Entries:
    """One integer an exponent, in order of the exponents, none of them zero, limbs in their one normal form."""
    if not entries:
        return np.empty(0, np.int64), np.empty((0, _LIMBS), np.int64)
    exponents = np.concatenate([part for part, _ in entries])
    limbs = np.concatenate([part for _, part in entries])
    if len(exponents):
        order = np.argsort(exponents, kind="stable")
        exponents, limbs = exponents[order], limbs[order]
        starts = np.flatnonzero(np.concatenate([[True], exponents[1:] != exponents[:-1]]))
        exponents, limbs = exponents[starts], np.add.reduceat(limbs, starts, axis=0)
    for place in range(_LIMBS - 1):
        limbs[:, place + 1] += limbs[:, place] >> _LIMB_BITS
        limbs[:, place] &= _LIMB
    some = limbs.any(axis=1)
    return exponents[some], limbs[some]


def _limbs_of(integer: int) -> list[int]:
    low = [(integer >> (_LIMB_BITS * place)) & _LIMB for place in range(_LIMBS - 1)]
    return [*low, integer >> (_LIMB_BITS * (_LIMBS - 1))]
