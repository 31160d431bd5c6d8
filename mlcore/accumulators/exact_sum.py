"""Sums of floats without rounding, so that no order and no partitioning changes a bit of a mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

_MANTISSA_BITS = 53
_LOW_BITS = 27
_MOST_TERMS = 1 << 25
"""Half a mantissa times so many stays below 2**53, where floats count without rounding."""
_CHUNK = 1 << 18
_SQUARED = (2.0**-460, 2.0**500)  # magnitudes whose square is exact as two floats; others are scaled there first
_SCALE = 600
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(slots=True)
class ExactSum:
    """The exact sum of finite floats: an integer for every binary exponent.

    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0, -1e16]))
    >>> float(total)
    1.0
    """

    parts: dict[int, int] = field(default_factory=dict)

    def add(self, values: Floats, counts: Counts | None = None) -> None:
        """Add finite values, each as often as ``counts`` says or once; about 20 ns each."""
        self._add(values, counts, 0)

    def add_squares(self, values: Floats, counts: Counts | None = None) -> None:
        """Add the squares of finite values, exact also where a float could not hold them."""
        magnitudes = np.abs(values)
        small = (magnitudes < _SQUARED[0]) & (magnitudes > 0)
        large = magnitudes > _SQUARED[1]
        if not (small.any() or large.any()):
            self._add_scaled_squares(values, counts, 0)
            return
        for chosen, shift in ((small, _SCALE), (~(small | large), 0), (large, -_SCALE)):
            self._add_scaled_squares(values[chosen], None if counts is None else counts[chosen], shift)

    def merge(self, other: ExactSum) -> None:
        for exponent, integer in other.parts.items():
            self._put(exponent, integer)

    def fraction(self) -> Fraction:
        """The sum as an exact rational number."""
        if not self.parts:
            return Fraction(0)
        lowest = min(self.parts)
        integer = sum(integer << (exponent - lowest) for exponent, integer in self.parts.items())
        shift = lowest - _MANTISSA_BITS
        return Fraction(integer << shift) if shift >= 0 else Fraction(integer, 1 << -shift)

    def __float__(self) -> float:
        return float(self.fraction())

    def to_json(self) -> dict[str, int]:
        """The state: the same values give the same state."""
        return {str(exponent): self.parts[exponent] for exponent in sorted(self.parts)}

    @classmethod
    def from_json(cls, state: Mapping[str, int]) -> ExactSum:
        return cls({int(exponent): integer for exponent, integer in state.items()})

    def _add_scaled_squares(self, values: Floats, counts: Counts | None, shift: int) -> None:
        product, rest = _squares(np.ldexp(values, shift) if shift else values)
        self._add(product, counts, -2 * shift)
        if rest.any():
            self._add(rest, counts, -2 * shift)

    def _add(self, values: Floats, counts: Counts | None, shift: int) -> None:
        """Add values times ``2**shift``."""
        if len(values) > _CHUNK or (counts is not None and len(values) > 1 and int(counts.sum()) > _MOST_TERMS):
            middle = len(values) // 2
            for half in (slice(middle), slice(middle, None)):
                self._add(values[half], None if counts is None else counts[half], shift)
            return
        mantissas, exponents = np.frexp(values)
        integers = np.ldexp(mantissas, _MANTISSA_BITS).astype(np.int64)
        if len(values) == 1:
            self._put(int(exponents[0]) + shift, int(integers[0]) * (1 if counts is None else int(counts[0])))
            return
        lowest = int(exponents.min()) if len(values) else 0
        slots = exponents - lowest
        low = integers & ((1 << _LOW_BITS) - 1)
        high = integers >> _LOW_BITS
        lows = np.bincount(slots, weights=low if counts is None else low * counts)
        highs = np.bincount(slots, weights=high if counts is None else high * counts)
        for slot in np.flatnonzero((lows != 0) | (highs != 0)).tolist():
            self._put(slot + lowest + shift, (int(highs[slot]) << _LOW_BITS) + int(lows[slot]))

    def _put(self, exponent: int, integer: int) -> None:
        total = self.parts.get(exponent, 0) + integer
        if total:
            self.parts[exponent] = total
        else:
            self.parts.pop(exponent, None)


def _squares(values: Floats) -> tuple[Floats, Floats]:
    """The squares as pairs of floats whose sum is exact (Dekker, 1971), between the bounds of ``_SQUARED``."""
    split = 134217729.0 * values
    high = split - (split - values)
    low = values - high
    product = values * values
    return product, ((high * high - product) + 2 * high * low) + low * low


def square_root(value: Fraction) -> float:
    """The root of a number that is not negative, and may be too large or too small for a float.

    >>> square_root(Fraction(4) * Fraction(10) ** 400)
    2e+200
    """
    shift = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** shift), shift)
