"""What is made of the past rows that each row sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.transform.contract import ARROW_TYPES
from mlcore.transform.history.exact import Floats, Ints, RangeSums, scaled, two_product
from mlcore.transform.history.windows import Mask, Windows

Numbers = Floats | Ints
Found = tuple[Numbers, Mask]
"""Values, and which of them are known."""

_NO_SPREAD = 2.0**-90


class Values:
    """A column of past rows, as they were given.

    Args:
        array: One a row; NaN and infinite floats count as missing, -0.0 as 0.0.
    """

    def __init__(self, array: pa.Array) -> None:
        self.array = array
        self.text = pa.types.is_string(array.type)

    def read(self, rows: Ints) -> tuple[Numbers, Mask]:
        """Values of some rows, 0 for what is missing, and which are not; of a text, the rows' own numbers."""
        known = self._valid[rows]
        if self.text:
            return rows, known
        numbers = self._numbers[rows]
        if numbers.dtype == np.float64:
            known &= np.isfinite(numbers)
            np.add(numbers, 0.0, out=numbers)  # -0.0 is 0.0
        numbers[~known] = 0
        return numbers, known

    @cached_property
    def _valid(self) -> Mask:
        valid: Mask = self.array.is_valid().to_numpy(zero_copy_only=False)
        return valid

    @cached_property
    def _numbers(self) -> Numbers:
        """As int64 or float64, with any number for what is null."""
        array = self.array.cast(pa.int32()) if pa.types.is_date32(self.array.type) else self.array
        array = array if pa.types.is_floating(array.type) else array.cast(pa.int64())
        _, data = array.buffers()
        bare = pa.Array.from_buffers(array.type, len(array), [None, data], offset=array.offset)
        return cast(Numbers, bare.to_numpy())


class Made:
    """A column as it is made, some rows at a time; what was not put there is missing.

    Args:
        kind: Type name of the column.
        count: How many rows it has.
        values: What it is made of: of a text, the numbers of past rows are put.
    """

    def __init__(self, kind: str, count: int, values: Values | None) -> None:
        self._type = ARROW_TYPES[kind]
        self._of = values
        self._values = np.zeros(count, np.float64 if kind == "float64" else np.int64)
        self._known = np.zeros(count, np.bool_)

    def put(self, rows: Ints, found: Found) -> None:
        """The values of these rows."""
        self._values[rows], self._known[rows] = found

    def array(self) -> pa.Array:
        """All of it."""
        made = pa.array(self._values, mask=~self._known)
        if pa.types.is_string(self._type) and self._of:
            return self._of.array.take(made)
        return made.cast(pa.int32()).cast(self._type) if pa.types.is_date32(self._type) else made.cast(self._type)


class Column:
    """What some rows see of a column.

    Args:
        values: The column.
        windows: What they see.
    """

    def __init__(self, values: Values, windows: Windows) -> None:
        self._values = values
        self._windows = windows
        self._numbers, self._known = values.read(windows.order)

    def lag(self, periods: int) -> Found:
        """The value of the last but ``periods - 1`` row; of rows of one moment the greatest value is the last.

        It is missing where that row's value is, and where there are not so many rows.
        """
        places = self._windows.stop - periods
        there = places >= self._windows.start
        if not there.any():
            return np.zeros_like(places), there
        rows = self._by_value[np.where(there, places, 0)]
        return self._numbers[rows], there & self._known[rows]

    def count(self) -> Found:
        """How many values are not missing."""
        return self._count, np.ones(len(self._count), np.bool_)

    def sum(self) -> Found:
        """The float nearest to the sum of those there are."""
        total, exponents = self._sums.rounded(self._windows.start, self._windows.stop)
        return _known(scaled(total, exponents), self._count > 0)

    def mean(self) -> Found:
        """The float nearest to the sum of those there are, over how many they are."""
        total, exponents = self._sums.rounded(self._windows.start, self._windows.stop)
        return _known(scaled(total / np.maximum(self._count, 1), exponents), self._count > 0)

    def std(self) -> Found:
        """The standard deviation of a sample; missing where there are fewer than two values.

        ``sqrt((n * sum(x**2) - sum(x)**2) / (n * (n - 1)))`` of exact sums, in numbers of about 100 bits: a spread
        below ``3e-14`` of the values' own size is none.
        """
        number = np.maximum(self._count, 2).astype(np.float64)
        first = self._sums.doubled(self._windows.start, self._windows.stop)
        second = RangeSums.of_squares(self._numbers).doubled(self._windows.start, self._windows.stop)
        variance, exponents = _variance(number, first, second)
        return _known(scaled(np.sqrt(variance), exponents >> 1), self._count > 1)

    def least(self) -> Found:
        """The smallest value."""
        return self._extreme(np.minimum, largest=False)

    def greatest(self) -> Found:
        """The largest value."""
        return self._extreme(np.maximum, largest=True)

    def _extreme(self, better: Callable[..., Numbers], *, largest: bool) -> Found:
        floating = self._numbers.dtype == np.float64
        least, most = (-np.inf, np.inf) if floating else (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
        numbers = cast(Numbers, np.where(self._known, self._numbers, least if largest else most))
        return _known(_over_ranges(numbers, self._windows, better), self._count > 0)

    @cached_property
    def _count(self) -> Ints:
        counts = np.zeros(len(self._known) + 1, np.int64)
        np.cumsum(self._known, out=counts[1:])
        return counts[self._windows.stop] - counts[self._windows.start]

    @cached_property
    def _sums(self) -> RangeSums:
        return RangeSums.of_values(self._numbers)

    @cached_property
    def _by_value(self) -> Ints:
        """Places of the past rows in order of key, moment and value, missing values first."""
        places, tied = np.arange(len(self._known)), self._windows.tied
        if len(tied):
            both = np.union1d(tied, tied + 1)
            moment = np.cumsum(~np.isin(both - 1, tied))
            values = _finite(self._values.array.take(pa.array(self._windows.order[both])))
            table = pa.table({"moment": moment, "present": values.is_valid().cast(pa.int8()), "value": values})
            order = pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).to_numpy()
            places[both] = both[order]
        return places


def _finite(values: pa.Array) -> pa.Array:
    """NaN and infinite floats as missing, -0.0 as 0.0."""
    if not pa.types.is_floating(values.type):
        return values
    clean = pc.add(values, pa.scalar(0.0, values.type))
    return pc.if_else(pc.is_finite(clean), clean, pa.scalar(None, values.type))


def _known(values: Numbers, known: Mask) -> Found:
    """What is not known, or too large for a float, is missing."""
    return values, known & np.isfinite(values)


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
