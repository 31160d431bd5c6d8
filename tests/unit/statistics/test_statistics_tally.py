"""Different values and the rows of each, counted in tables or by sorting: always the same."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from mlcore.accumulators.contingency import MOST_OUTCOMES, Bins, number_keys
from mlcore.statistics.tally import Numbers, Outcome, Rows, Tally, tally_numbers, tally_strings

RNG = np.random.default_rng(6)
NUMBERS: dict[str, Numbers] = {
    "small integers": RNG.integers(-20, 20, 500),
    "integers far apart": RNG.integers(-(2**62), 2**62, 500),
    "the least and the greatest integer": np.array([-(2**63), 2**63 - 1, 0, 2**63 - 1]),
    "whole floats": RNG.integers(-5, 5, 500).astype(np.float64),
    "floats": RNG.normal(size=500).round(1),
    "both zeros": np.array([0.0, -0.0, 1.0, -0.0]),
    "extreme floats": np.array([1.7e308, -1.7e308, 5e-324, 5e-324]),
    "one": np.array([3]),
    "none": np.array([], np.int64),
    "no floats": np.array([], np.float64),
}


def outcome_of(labels: Numbers) -> Outcome:
    """Every third row has no label."""
    keys = number_keys(labels.astype(np.float64))
    bins = Bins.of(keys, MOST_OUTCOMES)
    index = bins.index(keys)
    index[::3] = len(bins.keys)
    return Outcome(bins=bins, index=index)


def counted(tally: Tally) -> dict[object, int]:
    values = tally.values.to_pylist() if isinstance(tally.values, pa.Array) else tally.values.tolist()
    return dict(zip(values, tally.counts.tolist(), strict=True))


@pytest.mark.parametrize("numbers", NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers_are_counted_sorted_and_once(numbers: Numbers) -> None:
    """As one by one; -0.0 is 0.0; weights add up by value, beyond what floats could count."""
    weights = RNG.integers(0, 2**52, len(numbers))
    found = tally_numbers(numbers, Rows(count=len(numbers), weights=weights))
    assert counted(found) == Counter(numbers.tolist())
    assert found.values.tolist() == sorted({value + 0 for value in numbers.tolist()})
    total: Counter[float] = Counter()
    for value, weight in zip(numbers.tolist(), weights.tolist(), strict=True):
        total[value] += weight
    assert found.weights is not None
    assert dict(zip(found.values.tolist(), found.weights.tolist(), strict=True)) == total


@pytest.mark.parametrize("numbers", [NUMBERS["small integers"], NUMBERS["floats"], NUMBERS["integers far apart"]])
def test_labels_are_counted_with_the_numbers(numbers: Numbers) -> None:
    """Rows of each number by label; rows without a label nowhere; rows without a number in the last line."""
    labels = RNG.integers(0, 2, len(numbers))
    outcome = outcome_of(labels)
    labelled = np.bincount(outcome.index, minlength=outcome.width) + np.array([5, 7, 0])
    found = tally_numbers(numbers, Rows(count=len(numbers), outcome=outcome), labelled).association
    assert found is not None
    assert found.counts[-1].tolist() == [5, 7]
    assert found.counts[:-1].sum(axis=0).tolist() == np.bincount(outcome.index, minlength=3)[:2].tolist()
    places = found.bins.index(number_keys(numbers.astype(np.float64)))
    expected = np.zeros_like(found.counts[:-1])
    np.add.at(expected, (places[outcome.index < 2], outcome.index[outcome.index < 2]), 1)
    assert found.counts[:-1].tolist() == expected.tolist()


def test_strings_of_several_dictionaries_are_united() -> None:
    """The same string of two dictionaries is one; one that no row has is none; nulls are left out."""
    pieces = [
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array(["a", "b", "unused"])),
        pa.DictionaryArray.from_arrays(pa.array([1, 1]), pa.array(["c", "a"])),
    ]
    weights = np.array([1, 2, 4, 8, 16, 32]) * 2**40
    found = tally_strings(pieces, Rows(count=6, weights=weights))
    assert counted(found) == {"a": 4, "b": 1}
    assert found.weights is not None
    assert isinstance(found.values, pa.Array)
    assert dict(zip(found.values.to_pylist(), found.weights.tolist(), strict=True)) == {"a": 57 * 2**40, "b": 2**41}


def test_labels_are_counted_with_the_strings() -> None:
    """Rows without a string are in the last line, rows without a label nowhere."""
    outcome = Outcome(bins=Bins.of(number_keys(np.array([0.0, 1.0])), 2), index=np.array([0, 1, 1, 2, 0]))
    piece = pa.array(["x", "y", None, "x", "y"]).dictionary_encode()
    found = tally_strings([piece], Rows(count=5, outcome=outcome)).association
    assert found is not None
    assert found.counts[-1].tolist() == [0, 1]
    assert sorted(found.counts[:-1].tolist()) == [[1, 0], [1, 1]]


def test_rows_may_be_chosen() -> None:
    """Of chosen rows the labels and weights are theirs."""
    outcome = Outcome(bins=Bins.of(number_keys(np.array([0.0, 1.0])), 2), index=np.array([0, 1, 2]))
    rows = Rows(count=3, outcome=outcome, weights=np.array([10, 20, 30])).where(np.array([True, False, True]))
    assert rows.count == 2
    assert rows.weights is not None
    assert rows.weights.tolist() == [10, 30]
    assert rows.outcome is not None
    assert rows.outcome.index.tolist() == [0, 2]
