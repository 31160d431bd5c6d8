"""Quantiles of numbers that no single set of bins fits: ranks within one per cent, from sums alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from mlcore.accumulators.value_counts import ValueCounts

ROWS = 120_000
SHARES = [0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0]
Numbers = npt.NDArray[Any]
Draw = Callable[[np.random.Generator], Numbers]


def halves(first: Draw, second: Draw) -> Draw:
    return lambda rng: np.where(rng.random(ROWS) < 0.5, first(rng), second(rng))


def scales(rng: np.random.Generator) -> Numbers:
    return np.asarray(10.0 ** rng.uniform(-300, 300, ROWS) * rng.choice([-1.0, 1.0], ROWS))


def integers(low: int, high: int) -> Draw:
    return lambda rng: rng.integers(low, high, ROWS).astype(np.float64)


ADVERSARIES: dict[str, Draw] = {
    "600 orders of magnitude, both signs": scales,
    "heavy tails": lambda rng: rng.standard_cauchy(ROWS) ** 5,
    "heavier tails": lambda rng: rng.pareto(0.1, ROWS),
    "neighbouring floats": lambda rng: 1.0 + rng.permutation(ROWS) * 2.0**-52,
    "neighbouring floats below zero": lambda rng: -1e300 - rng.permutation(ROWS) * 2.0**944,
    "the smallest floats": lambda rng: rng.permutation(ROWS) * 5e-324,
    "sorted": lambda rng: np.sort(rng.normal(size=ROWS)),
    "sorted backwards": lambda rng: np.sort(rng.normal(size=ROWS))[::-1],
    "consecutive identifiers": integers(10**15, 10**15 + ROWS),
    "half zero, half tiny": halves(lambda rng: np.zeros(ROWS), lambda rng: rng.normal(0, 1e-12, ROWS)),
    "a cluster among all scales": halves(scales, lambda rng: rng.normal(1000, 1e-5, ROWS)),
    "a cluster below zero among all scales": halves(scales, lambda rng: rng.normal(-1e9, 1.0, ROWS)),
    "seconds of a day among amounts": halves(
        lambda rng: 1.7e9 + rng.integers(0, 86_400, ROWS), lambda rng: np.exp(rng.normal(0, 4, ROWS))
    ),
    "three clusters": lambda rng: (
        np.array([1e3, 1e6, 1e9])[rng.integers(0, 3, ROWS)] * (1 + rng.normal(0, 1e-7, ROWS)) * scale(rng)
    ),
}


def scale(rng: np.random.Generator) -> Numbers:
    """One for most rows, anything for a twentieth."""
    return np.asarray(np.where(rng.random(ROWS) < 0.05, 10.0 ** rng.uniform(-100, 100, ROWS), 1.0))


def off_by(numbers: Numbers, found: ValueCounts) -> float:
    """How far the rank of a quantile is from what was asked for, at most, as a share of the rows."""
    ordered = np.sort(numbers)
    off = 0.0
    for share, value in zip(SHARES, found.quantiles(SHARES), strict=True):
        low, high = (np.searchsorted(ordered, value, side=side) / len(ordered) for side in ("left", "right"))
        off = max(off, low - share, share - high)
    return float(off)


@pytest.mark.parametrize("draw", ADVERSARIES.values(), ids=ADVERSARIES.keys())
def test_ranks_are_within_one_per_cent(draw: Draw) -> None:
    """Whatever the numbers, in whatever parts they come: the same state, quantiles close in rank, extremes exact."""
    numbers = draw(np.random.default_rng(17))
    whole = ValueCounts.of(pa.array(numbers))
    first, second, third = (ValueCounts.of(pa.array(part)) for part in np.split(numbers, [10_000, 70_000]))
    merged = ValueCounts.merge([third, ValueCounts.merge([first, second])])
    assert not whole.complete
    assert merged.values.equals(whole.values)
    assert merged.counts.tolist() == whole.counts.tolist()
    assert int(whole.counts.sum()) == ROWS
    assert off_by(numbers, whole) < 0.01
    assert whole.quantiles([0.0, 1.0]) == [numbers.min(), numbers.max()]
    divided = whole.divided()
    ordered = divided.values.to_numpy()
    assert bool((ordered[1:] > ordered[:-1]).all())
    assert int(divided.counts.sum()) == ROWS


def test_a_value_of_most_rows_stays_one_value() -> None:
    """A single value that half of the rows have, next to others in its bin, is half of the rows afterwards, too."""
    rng = np.random.default_rng(3)
    numbers = np.where(rng.random(ROWS) < 0.5, 1000.0, rng.normal(1000, 1e-3, ROWS))
    numbers[:40_000] = scales(rng)[:40_000]
    found = ValueCounts.of(pa.array(numbers)).divided()
    true = np.count_nonzero(numbers == 1000.0)
    near = np.abs(found.values.to_numpy() - 1000.0) < 1e-6
    assert int(found.counts[near].sum()) == pytest.approx(true, rel=0.05)


def test_weights_beyond_what_floats_count_divide_bins_too() -> None:
    """Counts that together are more than 2**53 add up exactly, in any parts."""
    rng = np.random.default_rng(4)
    numbers = np.unique(np.concatenate([scales(rng)[:60_000], rng.normal(1000, 1e-5, 60_000)]))
    counts = rng.integers(1, 2**40, len(numbers))
    whole = ValueCounts.of_numbers(numbers, counts)
    parts = [ValueCounts.of_numbers(numbers[start::2], counts[start::2]) for start in (0, 1)]
    merged = ValueCounts.merge(parts)
    assert merged.counts.tolist() == whole.counts.tolist()
    assert int(whole.counts.sum()) == int(counts.sum()) > 2**53
    (median,) = whole.quantiles([0.5])
    below = int(counts[numbers <= median].sum()) / int(counts.sum())
    assert below == pytest.approx(0.5, abs=0.01)


def test_bins_may_be_left_whole() -> None:
    """Without a refinement no bin is divided, in one part or in several."""
    numbers = np.unique(halves(scales, lambda rng: rng.normal(1000, 1e-5, ROWS))(np.random.default_rng(5)))
    ones = np.ones(len(numbers), np.int64)
    whole = ValueCounts.of_numbers(numbers, ones, refined=False)
    parts = [ValueCounts.of_numbers(numbers[start::9], ones[start::9], refined=False) for start in range(9)]
    merged = ValueCounts.merge(parts, refined=False)
    assert merged.spilled is not None
    assert merged.spilled.refinement is None
    assert merged.values.equals(whole.values)
    assert merged.counts.tolist() == whole.counts.tolist()
    assert int(whole.counts.max()) > 10_000
