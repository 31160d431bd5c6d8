from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlcore.accumulators.value_counts import LIMIT, ValueCounts

ROWS = 400_000
SHARES = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0]


def normal() -> np.ndarray:
    return np.random.default_rng(3).normal(size=ROWS)


def epoch_seconds() -> np.ndarray:
    return np.random.default_rng(4).integers(1_357_000_000, 1_388_534_400, ROWS)


def fares() -> np.ndarray:
    """Half are zero, the others spread over eight orders of magnitude."""
    rng = np.random.default_rng(5)
    return np.where(rng.random(ROWS) < 0.5, 0.0, np.exp(rng.normal(0, 4, ROWS)))


@pytest.mark.parametrize("draw", [normal, epoch_seconds, fares])
def test_quantiles_beyond_the_limit_are_close_in_rank(draw: object) -> None:
    """Of 400,000 rows with more values than are kept, the rank of a quantile is within a thousandth."""
    assert callable(draw)
    numbers = draw()
    counts = ValueCounts.of(pa.array(numbers))
    assert not counts.complete
    assert len(counts.values) <= LIMIT
    found = counts.quantiles(SHARES)
    ordered = np.sort(numbers)
    for share, value in zip(SHARES, found, strict=True):
        low, high = (np.searchsorted(ordered, value, side=side) / ROWS for side in ("left", "right"))
        assert low - 1e-3 <= share <= high + 1e-3
    assert [found[0], found[-1]] == [ordered[0], ordered[-1]]


def test_frequent_strings_are_found_among_a_million_rare_ones() -> None:
    """What makes up a third of the rows is on top, its count right to a thousandth; nothing else comes close."""
    rare = [f"key-{n}" for n in range(300_000)]
    mixed = [text for key in rare for text in ("often", key)] + ["sometimes"] * 50_000
    parts = [ValueCounts.of(pa.array(mixed[start : start + 65_536])) for start in range(0, len(mixed), 65_536)]
    merged = ValueCounts.merge(parts)
    assert merged.spilled is not None
    (first, often), (second, sometimes) = merged.top(2)
    assert (first, second) == ("often", "sometimes")
    assert often == pytest.approx(300_000, rel=1e-3)
    assert sometimes == pytest.approx(50_000, rel=1e-3)
    assert 1 <= merged.spilled.error < 500


@pytest.mark.parametrize("distinct", [40_000, 100_000, 1_000_000])
@pytest.mark.parametrize("kind", ["string", "float", "large integer"])
def test_distinct_counts_beyond_the_limit_are_close(kind: str, distinct: int) -> None:
    """Different values are counted within three per cent, four standard errors."""
    numbers = np.arange(distinct)
    values = {
        "string": lambda: pa.array([f"key-{n}" for n in numbers.tolist()]),
        "float": lambda: pa.array(numbers * 0.1),
        "large integer": lambda: pa.array(numbers + 2**62),
    }[kind]()
    assert ValueCounts.of(values).distinct == pytest.approx(distinct, rel=0.03)


def test_large_integers_are_told_apart() -> None:
    """Integers that no float can tell apart are different values, in order."""
    counts = ValueCounts.of(pa.array([2**62 + 1, 2**62, 2**62 + 1]))
    assert counts.values.to_pylist() == [2**62, 2**62 + 1]
    assert counts.counts.tolist() == [1, 2]


def test_the_two_zeros_are_one_value() -> None:
    """-0.0 and 0.0 are counted together, in one part or in two."""
    both = ValueCounts.of(pa.array([0.0, -0.0, 1.0, -1.0]))
    assert both.values.to_pylist() == [-1.0, 0.0, 1.0]
    merged = ValueCounts.merge([ValueCounts.of(pa.array([-0.0])), ValueCounts.of(pa.array([0.0]))])
    assert (merged.values.to_pylist(), merged.counts.tolist()) == ([0.0], [2])


def test_ties_are_broken_by_value() -> None:
    """Equally frequent values are ranked in their own order."""
    assert ValueCounts.of(pa.array(["b", "c", "a", "c"])).top(3) == [("c", 2), ("a", 1), ("b", 1)]
