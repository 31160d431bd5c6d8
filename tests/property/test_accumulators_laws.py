from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.accumulators import frequent, refinement, value_counts
from mlcore.accumulators.distinct import HyperLogLog
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
    """Also where a square is beyond the largest float, or below the smallest."""
    total = ExactSum()
    total.add_squares(np.array(values, dtype=np.float64))
    assert total.fraction() == sum((Fraction(value) ** 2 for value in values), start=Fraction(0))


@given(st.lists(st.tuples(finite, st.integers(1, 2**40)), max_size=30))
def test_counted_values_are_added_as_often_as_counted(pairs: list[tuple[float, int]]) -> None:
    """A value with its count is that value so many times, exactly, however large the count."""
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    counts = np.array([count for _, count in pairs], dtype=np.int64)
    total, squared = ExactSum(), ExactSum()
    total.add(values, counts)
    squared.add_squares(values, counts)
    assert total.fraction() == sum((Fraction(value) * count for value, count in pairs), start=Fraction(0))
    assert squared.fraction() == sum((Fraction(value) ** 2 * count for value, count in pairs), start=Fraction(0))


@given(rows, rows)
def test_statistics_merge_bit_for_bit(first: list[dict[str, object]], second: list[dict[str, object]]) -> None:
    """Statistics of two parts merge to the bytes of the statistics of the whole, in either order."""
    whole = to_bytes(accumulated(first + second))
    assert to_bytes(DatasetAccumulator.merge([accumulated(first), accumulated(second)])) == whole
    assert to_bytes(DatasetAccumulator.merge([accumulated(second), accumulated(first)])) == whole
    assert to_bytes(from_bytes(whole)) == whole


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that small examples exceed."""
    monkeypatch.setattr(value_counts, "LIMIT", 5)
    monkeypatch.setattr(frequent, "BUCKETS", 8)
    monkeypatch.setattr(frequent, "SAMPLED", 3)
    monkeypatch.setattr(refinement, "BUCKETS", 2)
    return 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=3, max_size=3))
@pytest.mark.usefixtures("few")
def test_values_beyond_the_limit_merge_bit_for_bit(parts: list[list[dict[str, object]]]) -> None:
    """With more numbers and strings than are kept, what is kept depends on the rows alone, not on parts or order."""
    whole = to_bytes(accumulated([row for part in parts for row in part]))
    states = [accumulated(part) for part in parts]
    nested = DatasetAccumulator.merge([states[2], DatasetAccumulator.merge(states[:2])])
    assert to_bytes(DatasetAccumulator.merge(states)) == to_bytes(nested) == whole
    assert to_bytes(from_bytes(whole)) == whole


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(finite, min_size=1))
@pytest.mark.usefixtures("few")
def test_extremes_and_totals_survive_the_limit(values: list[float]) -> None:
    """Smallest, largest, number of rows: exact, however many numbers share a bin."""
    counts = ValueCounts.of(pa.array(values, pa.float64()))
    assert counts.quantiles([0.0, 1.0]) == [min(values), max(values)]
    assert counts.counts.sum() == len(values)
    assert counts.quantiles([0.1, 0.5, 0.9]) == sorted(counts.quantiles([0.1, 0.5, 0.9]))


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_distinct_counts_merge_to_those_of_all(first: list[str], second: list[str]) -> None:
    """The sketch of two parts is that of the whole, whichever comes first."""
    one, two, both = (HyperLogLog.of(pa.array(values, pa.string())) for values in (first, second, first + second))
    assert one.merge(two).to_bytes() == two.merge(one).to_bytes() == both.to_bytes()
    assert HyperLogLog.from_bytes(both.to_bytes()).to_bytes() == both.to_bytes()
    assert both.estimate() == len({*first, *second})
