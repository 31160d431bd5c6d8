"""Distributions side by side: common bins, common values, and nothing lost between them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.columns import ColumnAccumulator
from mlcore.statistics.distributions import BINS, distribution


def column(values: list[Any], type_: pa.DataType | None = None) -> ColumnAccumulator:
    batch = pa.RecordBatch.from_arrays([pa.array(values, type_)], names=["x"])
    return DatasetAccumulator.of([batch]).columns["x"]


def test_numbers_share_bins_from_the_least_to_the_greatest_of_both() -> None:
    """Every row of either side is in one of the same bins."""
    found = distribution([column([0.0, 1.0, 2.0]), column([2.0, 6.0, None])])
    assert found.kind == "numbers"
    assert found.bins is not None
    assert (found.bins.low, found.bins.high) == (0.0, 6.0)
    assert [len(counts) for counts in found.bins.counts] == [BINS, BINS]
    assert [sum(counts) for counts in found.bins.counts] == [3, 2]
    assert found.bins.counts[1][-1] == 1


def test_bins_of_whole_numbers_hold_equally_many_of_them() -> None:
    """A hundred consecutive numbers are spread evenly: no bin looks emptier than its neighbour."""
    found = distribution([column(list(range(120)))])
    assert found.bins is not None
    assert found.bins.whole
    assert set(found.bins.counts[0]) == {4, 0} or set(found.bins.counts[0]) == {4}
    assert sum(found.bins.counts[0]) == 120


def test_long_tails_get_a_second_look_at_the_middle() -> None:
    """What is beyond the middle is counted."""
    found = distribution([column([float(value % 100) for value in range(10_000)] + [1e9])])
    assert found.middle is not None
    assert found.middle.high < 200
    beyond = found.middle.below[0] + found.middle.above[0]
    assert sum(found.middle.counts[0]) + beyond == 10_001
    assert beyond >= 1


def test_the_whole_range_of_floats_has_bins() -> None:
    """A distance that no float holds is no error."""
    found = distribution([column([-1.7e308, 0.0, 1.7e308])])
    assert found.bins is not None
    assert sum(found.bins.counts[0]) == 3


def test_texts_are_counted_on_both_sides_by_their_greatest_share() -> None:
    """A value that is frequent on one side alone has its count on the other, and the rest is told."""
    first = column(["a"] * 5 + [f"x{i}" for i in range(20)])
    second = column(["b"] * 8 + ["a"])
    found = distribution([first, second])
    assert found.values is not None
    assert found.values.values[0] == "b"
    counts = dict(zip(found.values.values, zip(*found.values.counts, strict=True), strict=True))
    assert counts["a"] == (5, 1)
    assert counts["b"] == (0, 8)
    assert sum(found.values.counts[0]) + found.values.others[0] == 25


def test_few_whole_numbers_and_truth_values_have_a_bar_each() -> None:
    """In the order of the values."""
    numbers = distribution([column([3, 1, 1]), column([2])])
    assert numbers.values is not None
    assert numbers.values.values == ("1", "2", "3")
    assert numbers.values.counts == ((2, 0, 1), (0, 1, 0))
    truths = distribution([column([True, False, True])])
    assert truths.values is not None
    assert dict(zip(truths.values.values, truths.values.counts[0], strict=True)) == {"false": 1, "true": 2}


def test_what_cannot_be_drawn_together_is_not_drawn() -> None:
    """Texts and numbers have no common axis; a column without values has none at all."""
    assert distribution([column([1.5]), column(["a"])]).kind is None
    assert distribution([column([None], pa.float64()), None]).kind is None
    assert distribution([column([1.5]), column([None], pa.string())]).kind == "numbers"
