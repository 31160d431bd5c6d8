from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore.accumulators import value_counts
from mlcore.accumulators.exact_sum import ExactSum
from mlcore.accumulators.value_counts import ValueCounts
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import from_bytes, to_bytes

finite = st.floats(allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(max_size=5),
            "number": st.none() | st.floats(),
            "integer": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    max_size=40,
)
SCHEMA = pa.schema([("text", pa.string()), ("number", pa.float64()), ("integer", pa.int64())])


def summed(values: list[float]) -> ExactSum:
    total = ExactSum()
    total.add(np.array(values, dtype=np.float64))
    return total


def accumulated(data: list[dict[str, object]]) -> DatasetAccumulator:
    return DatasetAccumulator.of([pa.RecordBatch.from_pylist(data, schema=SCHEMA)])


@given(st.lists(finite))
def test_sums_are_exact(values: list[float]) -> None:
    """The sum is the rational number the values add up to."""
    assert summed(values).fraction() == sum(map(Fraction, values), start=Fraction(0))


@given(st.lists(finite), st.lists(finite))
def test_sums_merge_to_the_sum_of_all(first: list[float], second: list[float]) -> None:
    """merge(make(A), make(B)) == make(A + B) == make(B + A), in every bit of the state."""
    merged = summed(first)
    merged.merge(summed(second))
    assert merged.to_json() == summed(first + second).to_json() == summed(second + first).to_json()
    assert ExactSum.from_json(merged.to_json()) == merged


@given(st.lists(finite))
def test_sums_of_squares_are_exact(values: list[float]) -> None:
    """The sum of squares is exact, also where a square is no float any more."""
    total = ExactSum()
    total.add_squares(np.array(values, dtype=np.float64))
    assert total.fraction() == sum((Fraction(value) ** 2 for value in values), start=Fraction(0))


@given(rows, rows)
def test_statistics_merge_bit_for_bit(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    """Statistics of two parts merge to the bytes of the statistics of the whole, in either order."""
    whole = to_bytes(accumulated(first + second))
    assert to_bytes(DatasetAccumulator.merge([accumulated(first), accumulated(second)])) == whole
    assert to_bytes(DatasetAccumulator.merge([accumulated(second), accumulated(first)])) == whole
    assert to_bytes(from_bytes(whole)) == whole


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(1, 5))
def test_counts_beyond_the_limit_do_not_depend_on_the_parts(shuffler: random.Random, parts: int) -> None:
    """With more different values than are kept, what is kept depends on the set of values alone."""
    limit, value_counts.LIMIT = value_counts.LIMIT, 50
    try:
        numbers = [float(n % 300) for n in range(1_000)]
        whole = ValueCounts.of(pa.array(numbers))
        shuffler.shuffle(numbers)
        size = math.ceil(len(numbers) / parts)
        pieces = [ValueCounts.of(pa.array(numbers[start : start + size])) for start in range(0, len(numbers), size)]
        merged = ValueCounts.merge(pieces)
    finally:
        value_counts.LIMIT = limit
    assert not merged.complete
    assert merged.values.equals(whole.values)
    assert merged.counts.tolist() == whole.counts.tolist()


@pytest.mark.parametrize("kind", ["string", "number"])
def test_distinct_counts_beyond_the_limit_are_close(kind: str) -> None:
    """A million different values are counted within three per cent."""
    numbers = np.arange(1_000_000)
    values = pa.array([f"key-{n}" for n in numbers.tolist()]) if kind == "string" else pa.array(numbers.astype(float))
    assert ValueCounts.of(values).distinct == pytest.approx(1_000_000, rel=0.03)
