"""Sums of floats without rounding, so that no order and no partitioning changes a bit of a mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

_MANTISSA_BITS = 53
_LOW_BITS = 27
_CHUNK = 1 << 20
_SCALE_BITS = 600
_SMALL, _LARGE = 2.0**-400, 2.0**400
_LOWEST_EXPONENT = -1073  # of frexp, for the smallest subnormal
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class ExactSum:
    """The exact sum of finite floats: an integer for every binary exponent.

    >>> total = ExactSum()
    >>> total.add(np.array([1e16, 1.0, -1e16]))
    >>> float(total)
    1.0
    """

    parts: dict[int, int] = field(default_factory=dict)

    def add(self, values: Floats, *, shift: int = 0) -> None:
        """Add finite values times ``2**shift``; about 20 ns each."""
        for start in range(0, len(values), _CHUNK):
            self._add_chunk(values[start : start + _CHUNK], shift)

    def add_squares(self, values: Floats) -> None:
        """Add the squares of finite values, exact for the largest and the smallest too."""
        sizes = np.abs(values)
        for scale, chosen in (
            (0, ((sizes >= _SMALL) & (sizes <= _LARGE)) | (sizes == 0)),
            (-_SCALE_BITS, sizes > _LARGE),
            (_SCALE_BITS, (sizes < _SMALL) & (sizes > 0)),
        ):
            if chosen.any():
                for part in _squares(np.ldexp(values[chosen], scale)):
                    self.add(part, shift=-2 * scale)

    def _add_chunk(self, values: Floats, shift: int) -> None:
        mantissas, exponents = np.frexp(values)
        integers = np.ldexp(mantissas, _MANTISSA_BITS).astype(np.int64)
        slots = exponents - _LOWEST_EXPONENT
        low = integers & ((1 << _LOW_BITS) - 1)
        high = integers >> _LOW_BITS
        # Either half times a chunk's length stays below 2**53, so the float sums of bincount are exact.
        lows = np.bincount(slots, weights=low)
        highs = np.bincount(slots, weights=high)
        for slot in np.flatnonzero((lows != 0) | (highs != 0)):
            exponent = int(slot) + _LOWEST_EXPONENT + shift
            self._put(exponent, (int(highs[slot]) << _LOW_BITS) + int(lows[slot]))

    def _put(self, exponent: int, integer: int) -> None:
        total = self.parts.get(exponent, 0) + integer
        if total:
            self.parts[exponent] = total
        else:
            self.parts.pop(exponent, None)

    def merge(self, other: ExactSum) -> None:
        for exponent, integer in other.parts.items():
            self._put(exponent, integer)

    def fraction(self) -> Fraction:
        """The sum as an exact rational number."""
        return sum(
            (
                Fraction(integer) * Fraction(2) ** (exponent - _MANTISSA_BITS)
                for exponent, integer in self.parts.items()
            ),
            start=Fraction(0),
        )

    def __float__(self) -> float:
        return float(self.fraction())

    def to_json(self) -> dict[str, int]:
        """The state: equal sums of equal values have equal states."""
        return {str(exponent): self.parts[exponent] for exponent in sorted(self.parts)}

    @classmethod
    def from_json(cls, state: Mapping[str, int]) -> ExactSum:
        return cls({int(exponent): integer for exponent, integer in state.items()})


def _squares(values: Floats) -> tuple[Floats, Floats]:
    """The squares as pairs of floats whose sum is exact (Dekker, 1971), between ``_SMALL`` and ``_LARGE``."""
    split = 134217729.0 * values
    high = split - (split - values)
    low = values - high
    product = values * values
    return product, ((high * high - product) + 2 * high * low) + low * low
