"""A skewed or heavy-tailed number made nearly normal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mlcore.core.types import Json
from mlcore.transform.analyzers.quantiles import Quantiles
from mlcore.transform.mappers.base import Column, Mapper, NumberOptions, to_floats
from mlcore.transform.values import Floats, Integers

_LEAST_ROWS = 4
_STEPS = 60
_MOST_H = 1 - 1e-7
_NEWTON = 8
_NEARLY_NORMAL = 1e-7


class ScaleToGaussian(Mapper[NumberOptions]):
    """The normal deviate that a Tukey HH distribution with the training values' L-moments makes ``x`` of.

    ``x = location + scale u exp(h u^2 / 2)`` with ``h_left`` for u below 0 and ``h_right`` above; the result is u. Both
    are 0, and the result is a plain scaling, where the tails are no heavier than those of a normal distribution.
    As tf.Transform's ``scale_to_gaussian``, after Headrick and Pant, "Characterizing Tukey h and hh-distributions
    through L-moments and the L-correlation" (2012).
    """

    name = "scale_to_gaussian"
    constants = {
        "location": "of the distribution",
        "scale": "of the distribution; 0 where all training values are equal",
        "h_left": "weight of the left tail, 0 to 1",
        "h_right": "weight of the right tail, 0 to 1",
    }
    formula = "u with (x - location) / scale = u exp(h u^2 / 2)"

    def analyzer(self, kinds: Sequence[str]) -> str | None:
        del kinds
        return "quantiles"

    def fit(self, analyzer: Quantiles) -> dict[str, Json]:
        l1, l2, l3, l4 = l_moments(analyzer.middles(), analyzer.found.counts)
        if l2 <= 0:
            return {"location": l1, "scale": 0.0, "h_left": 0.0, "h_right": 0.0}
        left, right = h_parameters(l3 / l2, l4 / l2)
        expected = tukey_l_moments(left, right)
        scale = l2 / expected[1]
        return {"location": l1 - scale * expected[0], "scale": scale, "h_left": left, "h_right": right}

    def prepare(self, constants: Mapping[str, Json], kinds: Sequence[str]) -> Any:
        del kinds
        known: Any = constants
        return tuple(float(known[name]) for name in ("location", "scale", "h_left", "h_right"))

    def apply(self, columns: Sequence[Column], prepared: Any) -> Column:
        location, scale, left, right = prepared
        values = to_floats(columns[0])
        if scale == 0:
            return np.where(np.isnan(values), np.nan, 0.0)
        scaled = (values - location) / scale
        size = np.abs(scaled)
        return np.copysign(np.where(scaled < 0, _untailed(size, left), _untailed(size, right)), scaled)


def l_moments(values: Floats, counts: Integers) -> tuple[float, float, float, float]:
    """The first four sample L-moments of sorted values and their counts (Hosking, 1990).

    Zeros beyond the first for fewer than four rows.
    """
    rows = int(counts.sum())
    if rows < _LEAST_ROWS:
        return (math.fsum((values * counts).tolist()) / rows if rows else 0.0), 0.0, 0.0, 0.0
    ends = np.cumsum(counts).tolist()
    weighted = []
    for order in range(1, 5):
        whole = order * math.comb(rows, order)
        reached = [0, *(math.comb(end, order) for end in ends)]
        shares = ((after - before) / whole for before, after in pairwise(reached))
        weighted.append(math.fsum(value * share for value, share in zip(values.tolist(), shares, strict=True)))
    b0, b1, b2, b3 = weighted
    return b0, 2 * b1 - b0, 6 * b2 - 6 * b1 + b0, 20 * b3 - 30 * b2 + 12 * b1 - b0


def tukey_l_moments(left: float, right: float) -> tuple[float, float, float, float]:
    """The first four L-moments of a Tukey HH distribution; both h below 1."""
    below, above = _half(left), _half(right)
    return above[0] - below[0], above[1] + below[1], above[2] - below[2], above[3] + below[3]


def _half(h: float) -> tuple[float, float, float, float]:
    """What one tail adds to the L-moments.

    Integrals of z exp(h z^2/2) times a shifted Legendre polynomial of the normal distribution function, by parts.
    """
    root = math.sqrt(2 - h)
    first = 1 / (2 * root)
    second = math.atan(1 / root) / (root * math.pi)
    third = (4 / math.pi * math.atan(math.sqrt(1 + 2 / (2 - h))) - 1) / (2 * root)
    tail = 1 / ((1 - h) * math.sqrt(2 * math.pi))
    return tail, 2 * first * tail, (6 * second - 0.5) * tail, (15 * third - 3 * first) * tail


def h_parameters(skewness: float, kurtosis: float) -> tuple[float, float]:
    """``h_left`` and ``h_right`` of the distribution with these L-moment ratios, or the nearest there is."""
    if skewness < 0:
        right, left = h_parameters(-skewness, kurtosis)
        return left, right
    if kurtosis <= _ratios(0.0, 0.0)[1]:
        return 0.0, 0.0

    def lighter(heavier: float) -> float:
        return _bisect(lambda h: skewness - _ratios(h, heavier)[0], 0.0, heavier)

    heavier = _bisect(lambda h: _ratios(lighter(h), h)[1] - kurtosis, 0.0, _MOST_H)
    return lighter(heavier), heavier


def _ratios(left: float, right: float) -> tuple[float, float]:
    _, l2, l3, l4 = tukey_l_moments(left, right)
    return l3 / l2, l4 / l2


def _bisect(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function is 0; the bound next to it where it is not 0 between."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _untailed(size: Floats, h: float) -> Floats:
    """The u with size = u exp(h u^2 / 2): h u^2 is Lambert's W of h size^2, by Newton's steps in the logarithm."""
    if h == 0:
        return size
    logarithm = math.log(h) + 2 * np.log(size)
    found = np.logaddexp(0.0, logarithm)
    for _ in range(_NEWTON):
        found = found * (1 + logarithm - np.log(found)) / (1 + found)
    return np.where(logarithm < math.log(_NEARLY_NORMAL), size, np.sqrt(found / h))
