"""Laws of the distances that comparators use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.schema.distances import (
    divergence_of_histograms,
    divergence_of_values,
    infinity_norm,
    normalized_difference,
)
from mlcore.schema.summary import Bucket

COUNTS = st.dictionaries(st.text(max_size=2), st.integers(1, 10**9), min_size=1, max_size=8)
NUMBERS = st.floats(-1e300, 1e300, allow_nan=False)


@st.composite
def histograms(draw: st.DrawFn) -> tuple[Bucket, ...]:
    edges = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=8)))
    counts = draw(st.lists(st.integers(0, 10**6), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return tuple(
        Bucket(low=low, high=high, count=count) for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def distances(first: dict[str, int], second: dict[str, int]) -> list[float]:
    divergence = divergence_of_values(first, second)
    assert divergence is not None
    return [infinity_norm(first, second).distance, normalized_difference(first, second).distance, divergence]


@given(COUNTS, COUNTS)
def test_distances_of_values_are_symmetric_shares(first: dict[str, int], second: dict[str, int]) -> None:
    """Each lies in 0 to 1, is the same both ways, and is 0 for the same counts."""
    there, back, same = (distances(*pair) for pair in ((first, second), (second, first), (first, first)))
    assert all(0 <= distance <= 1 for distance in there)
    assert there == pytest.approx(back)
    assert same == pytest.approx([0, 0, 0])


@given(COUNTS, st.integers(2, 1000))
def test_shares_do_not_depend_on_the_number_of_rows(counts: dict[str, int], factor: int) -> None:
    """The same distribution of more rows is no distance away; the difference of counts sees the rows."""
    more = {value: count * factor for value, count in counts.items()}
    assert infinity_norm(counts, more).distance == pytest.approx(0, abs=1e-12)
    assert divergence_of_values(counts, more) == pytest.approx(0, abs=1e-12)
    assert normalized_difference(counts, more).distance > 0


@given(histograms(), histograms())
def test_divergence_of_histograms_is_a_symmetric_share(first: tuple[Bucket, ...], second: tuple[Bucket, ...]) -> None:
    """It lies in 0 to 1, is the same both ways, 0 for the same rows, and nothing where there are none."""
    distance = divergence_of_histograms(first, second)
    if not sum(bucket.count for bucket in first) or not sum(bucket.count for bucket in second):
        assert distance is None
        return
    assert distance is not None
    assert 0 <= distance <= 1
    assert distance == pytest.approx(divergence_of_histograms(second, first), abs=1e-9)
    assert divergence_of_histograms(first, first) == pytest.approx(0)


@given(histograms(), st.integers(1, 1000), st.integers(1, 1000))
def test_nan_and_infinity_never_match(histogram: tuple[Bucket, ...], nan: int, infinite: int) -> None:
    """As in TensorFlow Data Validation, both sides' NaN are mass that the other has not."""
    if sum(bucket.count for bucket in histogram):
        distance = divergence_of_histograms(histogram, histogram, nan=(nan, nan), infinite=(infinite, infinite))
        assert distance is not None
        assert distance > 0
    assert divergence_of_histograms((), (), nan=(nan, 1)) == pytest.approx(1)
