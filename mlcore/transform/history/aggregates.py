"""What is made of the past rows that each row sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.transform.history.exact import Floats, Ints, RangeSums, scaled, two_product
from mlcore.transform.history.windows import Mask, Windows, filled

Numbers = Floats | Ints
_NO_SPREAD = 2.0**-90


class Column:
    """The values of past rows in order of key and moment.

    Args:
        values: One a row; NaN and infinite floats count as missing, -0.0 as 0.0.
        places: Equal where key and moment are, ascending.
    """

    def __init__(self, values: pa.Array, places: Ints) -> None:
        self._values = _finite(values)
        self._places = places
        self._made: dict[str, RangeSums] = {}

    def lag(self, windows: Windows, periods: int) -> pa.Array:
        """The value of the last but ``periods - 1`` row; of rows of one moment the greatest value is the last.

        It is missing where that row's value is, and where there are not so many rows.
        """
        places = windows.stop - periods
        there = places >= windows.start
        rows = self._by_value[np.where(there, places, 0)] if len(self._places) else places
        return self._values.take(pa.array(rows, mask=~there))

    def count(self, windows: Windows) -> Ints:
        """How many values are not missing."""
        return self._present[windows.stop] - self._present[windows.start]

    def sum(self, windows: Windows) -> pa.Array:
        """The float nearest to the sum of those there are."""
        total, exponents = self._sums("sum").rounded(windows.start, windows.stop)
        return _known(scaled(total, exponents), self.count(windows) > 0)

    def mean(self, windows: Windows) -> pa.Array:
        """The float nearest to the sum of those there are, over how many they are."""
        count = self.count(windows)
        total, exponents = self._sums("sum").rounded(windows.start, windows.stop)
        return _known(scaled(total / np.maximum(count, 1), exponents), count > 0)

    def std(self, windows: Windows) -> pa.Array:
        """The standard deviation of a sample; missing where there are fewer than two values.

        ``sqrt((n * sum(x**2) - sum(x)**2) / (n * (n - 1)))`` of exact sums, in numbers of about 100 bits: a spread
        below ``3e-14`` of the values' own size is none.
        """
        count = self.count(windows)
        number = np.maximum(count, 2).astype(np.float64)
        first = self._sums("sum").doubled(windows.start, windows.stop)
        second = self._sums("squares").doubled(windows.start, windows.stop)
        variance, exponents = _variance(number, first, second)
        return _known(scaled(np.sqrt(variance), exponents >> 1), count > 1)

    def least(self, windows: Windows) -> pa.Array:
        """The smallest value."""
        return self._extreme(windows, np.minimum, largest=False)

    def greatest(self, windows: Windows) -> pa.Array:
        """The largest value."""
        return self._extreme(windows, np.maximum, largest=True)

    def _sums(self, kind: str) -> RangeSums:
        if kind not in self._made:
            numbers = _numbers(self._values, 0)
            self._made[kind] = RangeSums.of_values(numbers) if kind == "sum" else RangeSums.of_squares(numbers)
        return self._made[kind]

    def _extreme(self, windows: Windows, better: Callable[..., Numbers], *, largest: bool) -> pa.Array:
        type_ = self._values.type
        floating = pa.types.is_floating(type_)
        least, most = (-np.inf, np.inf) if floating else (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
        numbers = _numbers(self._values, least if largest else most)
        found = _over_ranges(numbers, windows, better)
        made = _known(found, self.count(windows) > 0)
        return made.cast(pa.int32()).cast(type_) if pa.types.is_date32(type_) else made.cast(type_)

    @cached_property
    def _present(self) -> Ints:
        """How many of the first so many values are not missing, from 0 on."""
        present = np.zeros(len(self._values) + 1, np.int64)
        np.cumsum(self._values.is_valid().to_numpy(zero_copy_only=False), out=present[1:])
        return present

    @cached_property
    def _by_value(self) -> Ints:
        """Numbers of the rows in order of key, moment and value, missing values first."""
        rows = np.arange(len(self._places))
        same = np.flatnonzero(self._places[1:] == self._places[:-1])
        if len(same):
            tied = np.union1d(same, same + 1)
            values = self._values.take(pa.array(tied))
            table = pa.table(
                {"place": self._places[tied], "present": values.is_valid().cast(pa.int8()), "value": values}
            )
            rows[tied] = tied[pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).to_numpy()]
        return rows


def _finite(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    clean = pc.add(values, pa.scalar(0.0, values.type))
    return pc.if_else(pc.is_finite(clean), clean, pa.scalar(None, values.type))


def _numbers(values: pa.Array, missing: float) -> Numbers:
    """As int64 or float64, with a number for what is missing."""
    if pa.types.is_floating(values.type):
        return filled(values, float(missing))
    integers = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values
    return filled(integers.cast(pa.int64()), int(missing))


def _known(values: npt.NDArray[np.generic], known: Mask) -> pa.Array:
    """What is not known, or too large for a float, is missing."""
    with np.errstate(invalid="ignore"):
        return pa.array(values, mask=~(known & np.isfinite(values)))


def _variance(
    count: Floats, first: tuple[Floats, Floats, Ints], second: tuple[Floats, Floats, Ints]
) -> tuple[Floats, Ints]:
    """Of so many numbers, by their sum and the sum of their squares as two floats and an exponent each."""
    high, low, exponents = second
    squares, squares_rest = two_product(high, count)
    squares_rest = squares_rest + low * count
    total, total_rest, total_exponents = first
    product, product_rest = two_product(total, total)
    product_rest = product_rest + 2 * total * total_rest
    shift = 2 * total_exponents - exponents
    product, product_rest = scaled(product, shift), scaled(product_rest, shift)
    spread = (squares - product) + (squares_rest - product_rest)
    spread[spread <= squares * _NO_SPREAD] = 0.0
    return spread / (count * (count - 1)), exponents


def _over_ranges(values: Numbers, windows: Windows, better: Callable[..., Numbers]) -> Numbers:
    """The best of each range: of two stretches of a power of two that cover it, whose best were made by doubling."""
    found = cast(Numbers, np.zeros(len(windows.start), values.dtype))
    lengths = windows.lengths
    levels = np.where(lengths > 0, np.frexp(lengths.astype(np.float64))[1] - 1, -1)
    order = np.argsort(levels, kind="stable")
    ends = np.searchsorted(levels[order], np.arange(levels.max(initial=-1) + 2))
    for level, (first, after) in enumerate(pairwise(ends)):
        asked, step = order[first:after], 1 << level
        found[asked] = better(values[windows.start[asked]], values[windows.stop[asked] - step])
        if after < len(order):
            values = better(values[:-step], values[step:])
    return found
