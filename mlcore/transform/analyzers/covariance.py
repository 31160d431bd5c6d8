"""How numbers vary together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcore.accumulators.exact_sum import ExactSum
from mlcore.core.types import Json
from mlcore.transform.analyzers.base import Analyzer
from mlcore.transform.analyzers.moments import check_squarable
from mlcore.transform.values import Column, Floats, to_floats

_SPLITTER = float(2**27 + 1)


@dataclass(frozen=True, slots=True)
class Covariance(Analyzer):
    """Count, sums and sums of products of the rows in which every column has a finite value.

    Attributes:
        count: Such rows.
        totals: By column.
        products: Of each pair of columns, the first no later than the second, in order.
    """

    name = "covariance"

    count: int
    totals: tuple[ExactSum, ...]
    products: tuple[ExactSum, ...]

    @classmethod
    def of(cls, *columns: Column) -> Covariance:
        floats = [to_floats(column) for column in columns]
        some = np.logical_and.reduce([np.isfinite(one) for one in floats])
        complete = [one[some] + 0.0 for one in floats]
        for one in complete:
            check_squarable(one)
        totals, products = [], []
        for first, values in enumerate(complete):
            totals.append(ExactSum())
            totals[-1].add(values)
            for other in complete[first:]:
                products.append(_products(values, other))
        return cls(int(some.sum()), tuple(totals), tuple(products))

    @classmethod
    def merge(cls, parts: Sequence[Covariance]) -> Covariance:
        totals = [_merged([part.totals[place] for part in parts]) for place in range(len(parts[0].totals))]
        products = [_merged([part.products[place] for part in parts]) for place in range(len(parts[0].products))]
        return cls(sum(part.count for part in parts), tuple(totals), tuple(products))

    @property
    def means(self) -> list[float]:
        return [float(total.fraction() / self.count) if self.count else 0.0 for total in self.totals]

    def matrix(self) -> Floats:
        """Of the population (divided by the count); zeros where there is no row."""
        size = len(self.totals)
        matrix = np.zeros((size, size))
        sums = [total.fraction() for total in self.totals]
        products = iter(self.products)
        for first in range(size):
            for second in range(first, size):
                product = next(products).fraction()
                if self.count:
                    matrix[first, second] = float((product - sums[first] * sums[second] / self.count) / self.count)
                    matrix[second, first] = matrix[first, second]
        return matrix

    def to_json(self) -> Json:
        return {
            "count": self.count,
            "totals": [dict(total.to_json()) for total in self.totals],
            "products": [dict(product.to_json()) for product in self.products],
        }

    @classmethod
    def from_json(cls, state: Any) -> Covariance:
        totals = tuple(ExactSum.from_json(total) for total in state["totals"])
        return cls(state["count"], totals, tuple(ExactSum.from_json(one) for one in state["products"]))


def _products(first: Floats, second: Floats) -> ExactSum:
    """The sum of products, each as a float and what the float lost (Dekker, 1971)."""
    product = first * second
    high_first, low_first = _halves(first)
    high_second, low_second = _halves(second)
    lost = ((high_first * high_second - product) + high_first * low_second + low_first * high_second) + (
        low_first * low_second
    )
    total = ExactSum()
    total.add(product + 0.0)
    total.add(lost + 0.0)
    return total


def _halves(values: Floats) -> tuple[Floats, Floats]:
    scaled = values * _SPLITTER
    high = scaled - (scaled - values)
    return high, values - high


def _merged(parts: Sequence[ExactSum]) -> ExactSum:
    total = ExactSum()
    for part in parts:
        total.merge(part)
    return total
