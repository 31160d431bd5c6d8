"""Laws of the drift decision: distances are a metric's, false alarms are rare, and shifts are seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlcore.monitoring.drift import detect, jensen_shannon, null_distances
from mlcore.monitoring.histograms import FeatureDays

Counts = npt.NDArray[np.int64]

TRIALS = 200
REFERENCE_DAYS, CURRENT_DAYS, ROWS, BINS = 60, 7, 300, 12

histograms = arrays(np.int64, 5, elements=st.integers(0, 50)).filter(lambda counts: counts.sum() > 0)


@given(first=histograms, second=histograms, third=histograms)
def test_the_distance_is_a_metric_between_0_and_1(first: Counts, second: Counts, third: Counts) -> None:
    """Symmetric, zero only for equal shares, at most 1, and no detour is shorter."""
    one, two, three = jensen_shannon(first, second), jensen_shannon(second, third), jensen_shannon(first, third)
    assert 0.0 <= one <= 1.0
    assert one == pytest.approx(jensen_shannon(second, first), abs=1e-9)
    assert three <= one + two + 1e-6
    equal_shares = np.array_equal(first * second.sum(), second * first.sum())
    assert (one < 1e-6) == equal_shares


@given(counts=histograms, factor=st.integers(1, 1000))
def test_the_distance_does_not_depend_on_the_number_of_rows(counts: Counts, factor: int) -> None:
    """Only shares matter."""
    assert jensen_shannon(counts, counts * factor) < 1e-6


@given(
    days=arrays(np.int64, (12, 3), elements=st.integers(0, 9)),
    length=st.integers(1, 11),
    order=st.permutations([0, 1, 2]),
)
def test_null_distances_do_not_depend_on_the_order_of_bins(days: Counts, length: int, order: list[int]) -> None:
    """Bins are names only."""
    np.testing.assert_allclose(null_distances(days, length), null_distances(days[:, order], length), atol=1e-7)


@given(days=arrays(np.int64, (9, 2), elements=st.integers(1, 9)), length=st.integers(1, 8))
def test_null_blocks_are_whole_days(days: Counts, length: int) -> None:
    """Runs of days, then unions of two separate runs of half the length: as many as can be counted."""
    short, rest = length // 2, length - length // 2
    starts = [(a, b) for a in range(9 - short + 1) for b in range(9 - rest + 1) if b > a + short or a > b + rest]
    assert len(null_distances(days, length)) == 9 - length + 1 + (len(starts) if short else 0)


def simulated(rng: np.random.Generator, days: int, *, autocorrelation: float, between_days: float) -> Counts:
    """Days whose mean wanders like the weather: rows of one day share it."""
    level = rng.normal()
    counts = []
    for _ in range(days):
        level = autocorrelation * level + np.sqrt(1 - autocorrelation**2) * rng.normal()
        values = rng.normal(between_days * level, 1, ROWS)
        counts.append(np.bincount(np.digitize(values, np.linspace(-2, 2, BINS - 1)), minlength=BINS))
    return np.array(counts)


def split(days: Counts) -> FeatureDays:
    return FeatureDays(
        feature="x",
        bins=tuple(str(i) for i in range(days.shape[1])),
        reference=days[:REFERENCE_DAYS],
        current=days[REFERENCE_DAYS:],
    )


@pytest.mark.parametrize(
    ("autocorrelation", "between_days"), [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.7, 0.5)]
)
def test_false_alarms_are_rare_where_days_differ(autocorrelation: float, between_days: float) -> None:
    """Of 200 weeks from the same wandering process as their reference fewer than 5 % are called drift.

    The least distance that matters is set to almost nothing, so that the null alone decides.
    """
    rng = np.random.default_rng(20130101)
    trials = [
        split(simulated(rng, REFERENCE_DAYS + CURRENT_DAYS, autocorrelation=autocorrelation, between_days=between_days))
        for _ in range(TRIALS)
    ]
    assert sum(drift.drifted for drift in detect(trials, min_distance=1e-6)) < 0.05 * TRIALS


def test_a_shift_beyond_what_days_do_is_seen() -> None:
    """A mean that moves by three times what days differ is called drift in nearly all of 50 trials."""
    rng = np.random.default_rng(20130102)
    found = 0
    for _ in range(50):
        days = simulated(rng, REFERENCE_DAYS + CURRENT_DAYS, autocorrelation=0.3, between_days=0.3)
        moved = np.zeros_like(days)
        moved[:, 3:] = days[:, :-3]
        moved[:, -1] += days[:, -3:].sum(axis=1)
        days[REFERENCE_DAYS:] = moved[REFERENCE_DAYS:]
        (drift,) = detect([split(days)], min_distance=0.1)
        found += drift.drifted
    assert found >= 48
