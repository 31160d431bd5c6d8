"""How far two datasets' columns are apart: the measure by type, and what has none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mlcore.components.differences import Measure, differences
from mlcore.statistics.accumulate import DatasetAccumulator


def dataset(**columns: Any) -> DatasetAccumulator:
    return DatasetAccumulator.of(pa.table(columns).to_batches())


def test_categories_by_the_greatest_change_of_a_share() -> None:
    """The value that changed most is named; truth values are categories."""
    found = differences(
        dataset(c=["a", "a", "b", "b"], t=[True, True, True, True]),
        dataset(c=["a", "b", "b", "b"], t=[True, False, False, False]),
    )
    assert found["c"].measure is Measure.INFINITY_NORM
    assert found["c"].distance == pytest.approx(0.25)
    assert found["c"].value in ("a", "b")
    assert found["t"].distance == pytest.approx(0.75)


def test_numbers_by_the_divergence_of_their_histograms() -> None:
    """Whole and other numbers alike: 0 for the same, 1 for numbers that never meet."""
    found = differences(dataset(x=[1, 2, 3], y=[0.0, 1.0, 1.0]), dataset(x=[1.0, 2.0, 3.0], y=[100.0, 101.0, 101.0]))
    assert found["x"].measure is Measure.JENSEN_SHANNON
    assert found["x"].distance == 0.0
    assert found["y"].distance == pytest.approx(1.0)


def test_missing_rows_are_told_apart_and_count_for_the_largest() -> None:
    """The distance is of the values there are; a column that lost half of them is not the same."""
    found = differences(dataset(x=[1.0, 2.0]), dataset(x=[1.0, 2.0, None, None]))["x"]
    assert found.distance == 0.0
    assert found.missing == pytest.approx(0.5)
    assert found.largest == pytest.approx(0.5)


def test_what_is_on_one_side_only_or_of_another_type_is_wholly_different() -> None:
    """Also a column that has no values any more; times are not measured."""
    moments = pa.array([1, 2], pa.timestamp("us", "UTC"))
    found = differences(
        dataset(a=[1.0, 1.0], k=["a", "b"], n=[1.0, 2.0], w=moments),
        dataset(k=[1.0, 2.0], n=pa.array([None, None], pa.float64()), w=moments, z=["q", "q"]),
    )
    assert list(found) == ["a", "k", "n", "w", "z"]
    assert {name: each.measure for name, each in found.items()} == {
        "a": Measure.ABSENT,
        "k": Measure.TYPE,
        "n": Measure.JENSEN_SHANNON,
        "w": Measure.NONE,
        "z": Measure.ABSENT,
    }
    assert [found[name].distance for name in "aknwz"] == [1.0, 1.0, 1.0, None, 1.0]
