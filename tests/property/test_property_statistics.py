from __future__ import annotations

import hashlib
import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.accumulators import contingency, frequent, refinement, value_counts
from mlcore.accumulators.contingency import MOST_OUTCOMES, Bins, Contingency, number_keys
from mlcore.accumulators.exact_sum import ExactSum, merged
from mlcore.accumulators.hashing import hashed
from mlcore.statistics import accumulate
from mlcore.statistics.accumulate import WEIGHT_STEPS, DatasetAccumulator
from mlcore.statistics.extract import describe
from mlcore.statistics.files import from_bytes, to_bytes
from mlcore.statistics.missing import merge_missing, missing_together
from mlcore.statistics.options import StatisticsOptions

finite = st.floats(allow_nan=False, allow_infinity=False)
pairs = st.lists(st.tuples(finite, st.sampled_from([0.0, 1.0, 2.0])), max_size=30)
OPTIONS = StatisticsOptions(label="label", weight="weight")


def contingency_of(rows: list[tuple[float, float]], missing: int) -> Contingency:
    outcomes = Bins.of(number_keys(np.array([outcome for _, outcome in rows])), MOST_OUTCOMES)
    counts = np.zeros((len(rows), len(outcomes.keys)), np.int64)
    columns = outcomes.index(number_keys(np.array([outcome for _, outcome in rows])))
    counts[np.arange(len(rows)), columns] = 1
    absent = np.zeros(len(outcomes.keys), np.int64)
    if len(absent):
        absent[0] = missing
    return Contingency.of_unsorted(number_keys(np.array([value for value, _ in rows])), outcomes, counts, absent)


def same(first: Contingency, second: Contingency) -> bool:
    return (
        (first.bins.bits, first.outcomes.bits) == (second.bins.bits, second.outcomes.bits)
        and first.bins.keys.tolist() == second.bins.keys.tolist()
        and first.outcomes.keys.tolist() == second.outcomes.keys.tolist()
        and first.counts.tolist() == second.counts.tolist()
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pairs, min_size=3, max_size=3))
def test_contingencies_merge_to_that_of_all_rows(
    monkeypatch: pytest.MonkeyPatch, parts: list[list[tuple[float, float]]]
) -> None:
    """In any order and nesting, also where there are more bins than are kept."""
    monkeypatch.setattr(contingency, "MOST", 6)
    states = [contingency_of(part, 1) for part in parts]
    whole = contingency_of([row for part in parts for row in part], 0)
    nested = Contingency.merge([states[2], Contingency.merge(states[:2])])
    assert same(Contingency.merge(states), nested)
    assert Contingency.merge(states).bins.keys.tolist() == whole.bins.keys.tolist()
    assert Contingency.merge(states).counts[:-1].tolist() == whole.counts[:-1].tolist()


@given(st.lists(st.lists(finite), min_size=1))
def test_sums_of_many_parts_are_the_sum_of_all(parts: list[list[float]]) -> None:
    """Merged at once, or one after the other: the same state."""
    sums = []
    for part in parts:
        sums.append(ExactSum())
        sums[-1].add(np.array(part, dtype=np.float64))
    together = merged(sums)
    assert together.fraction() == sum((Fraction(value) for part in parts for value in part), start=Fraction(0))
    one_by_one = ExactSum()
    for each in sums:
        one_by_one.merge(each)
    assert one_by_one == together
    assert all(
        mine.tolist() == other.tolist() for mine, other in zip(one_by_one.entries, together.entries, strict=True)
    )


@given(st.lists(st.text()))
def test_hashes_tell_texts_apart_wherever_they_lie(texts: list[str]) -> None:
    """A text's hash depends on its bytes alone: not on its neighbours, nor on an array's offset."""
    hashes = hashed(pa.array(texts, pa.string())).tolist()
    assert hashes == [hashed(pa.array([text])).tolist()[0] for text in texts]
    assert hashed(pa.array(["x" * 70, *texts], pa.string())[1:]).tolist() == hashes
    assert len(set(hashes)) == len(set(texts))


nulls = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=20)


@given(nulls, nulls)
def test_pairs_missing_together_are_counted_and_merge(
    first: list[tuple[bool, bool, bool]], second: list[tuple[bool, bool, bool]]
) -> None:
    """The rows that lack both of two columns, as they are counted one by one."""

    def table(rows: list[tuple[bool, bool, bool]]) -> pa.Table:
        names = ("c", "a", "b")
        return pa.table({name: pa.array([None if row[i] else 1 for row in rows]) for i, name in enumerate(names)})

    counted = Counter(
        pair
        for c, a, b in first + second
        for pair, lacking in ((("a", "b"), a and b), (("a", "c"), a and c), (("b", "c"), b and c))
        if lacking
    )
    assert merge_missing([missing_together(table(first)), missing_together(table(second))]) == counted


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(1, 9)), min_size=1, max_size=30))
def test_a_whole_weight_counts_a_row_so_often(rows: list[tuple[float, int]]) -> None:
    """With whole weights, the weighted numbers are those of rows repeated as often."""
    weighted = pa.table({"x": [value for value, _ in rows], "w": [float(weight) for _, weight in rows]})
    repeated = pa.table({"x": [value for value, weight in rows for _ in range(weight)]})
    ours = describe(DatasetAccumulator.of(weighted.to_batches(), StatisticsOptions(weight="w")))
    plain = describe(DatasetAccumulator.of(repeated.to_batches())).columns[0]
    found = ours.columns[0].weighted
    assert found is not None
    assert plain.numeric is not None
    assert ours.weight == found.count == plain.count
    assert (found.mean, found.quantiles) == (plain.numeric.mean, plain.numeric.quantiles)
    assert found.std == pytest.approx(plain.numeric.std)
    assert found.top == plain.top


def everything(rows: int) -> pa.Table:
    """All types, few and many different values, values that are missing together."""
    generator = np.random.default_rng(5)
    label = generator.integers(0, 2, rows)
    absent = generator.random(rows) < 0.2
    numbers = generator.normal(size=rows) * 10.0 ** generator.integers(-9, 9, rows)
    numbers[::97], numbers[1::97], numbers[2::97] = math.nan, math.inf, -0.0
    moments = pa.array(generator.integers(0, 2**50, rows)).cast(pa.timestamp("us", "UTC"))
    return pa.table(
        {
            "label": pa.array(label.astype(np.int8), mask=generator.random(rows) < 0.1),
            "weight": generator.random(rows),
            "slice": pa.array([("north", "south", None)[index] for index in generator.integers(0, 3, rows)]),
            "many": pa.array(numbers, mask=absent),
            "integers": pa.array(generator.integers(-(2**62), 2**62, rows), mask=absent),
            "few": generator.integers(0, 20, rows) + label,
            "text": pa.array([f" né{value}" for value in generator.integers(0, 300, rows)], mask=~absent),
            "words": [f"word {value}" for value in (generator.random(rows) ** 2 * 1_500).astype(int).tolist()],
            "flag": generator.random(rows) < 0.3,
            "moment": moments,
            "day": pa.array(generator.integers(0, 20_000, rows).astype(np.int32)).cast(pa.date32()),
            "bytes": pa.array([(b"\xff", b"ok", b"\xc3\xa9")[index] for index in generator.integers(0, 3, rows)]),
        }
    )


def test_slices_merge_bit_for_bit() -> None:
    """The statistics of slices are those of their rows, however the rows are divided."""
    options, table = StatisticsOptions(slices=("slice", "flag")), everything(300)
    whole = DatasetAccumulator.of(table.to_batches(), options)
    parts = [DatasetAccumulator.of(table.slice(start, 110).to_batches(), options) for start in (220, 0, 110)]
    assert to_bytes(DatasetAccumulator.merge(parts)) == to_bytes(whole) == to_bytes(from_bytes(to_bytes(whole)))
    rows = {(part.column, part.value): part.rows for part in describe(whole).slices}
    assert rows == {
        (name, value): count for name in options.slices for value, count in Counter(table[name].to_pylist()).items()
    }


def test_fifty_partitionings_and_orders_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the rows are divided, read in chunks and merged: one SHA-256, also beyond what is kept exactly."""
    monkeypatch.setattr(value_counts, "LIMIT", 600)
    monkeypatch.setattr(value_counts, "KEPT", 200)
    monkeypatch.setattr(frequent, "BUCKETS", 64)
    monkeypatch.setattr(frequent, "SAMPLED", 100)
    monkeypatch.setattr(refinement, "BUCKETS", 4)
    table = everything(2_000)
    whole = to_bytes(DatasetAccumulator.of(table.to_batches(), OPTIONS))
    generator = np.random.default_rng(11)
    digests = {hashlib.sha256(whole).hexdigest(), hashlib.sha256(to_bytes(from_bytes(whole))).hexdigest()}
    for _ in range(50):
        monkeypatch.setattr(accumulate, "CHUNK_ROWS", int(generator.integers(800, 3_000)))
        cuts = np.sort(generator.integers(0, table.num_rows, generator.integers(0, 4)))
        bounds = [0, *cuts.tolist(), table.num_rows]
        parts = [table.slice(start, end - start) for start, end in pairwise(bounds)]
        states = [DatasetAccumulator.of(part.to_batches(max_chunksize=700), OPTIONS) for part in parts]
        generator.shuffle(states)  # type: ignore[arg-type]
        middle = int(generator.integers(0, len(states)))
        ends = [DatasetAccumulator.merge(half) for half in (states[:middle], states[middle:]) if half]
        digests.add(hashlib.sha256(to_bytes(DatasetAccumulator.merge(ends))).hexdigest())
    assert len(digests) == 1
    columns = from_bytes(whole).columns
    assert not columns["many"].values.complete
    assert not columns["words"].values.complete
    assert columns["many"].weighted is not None
    assert columns["many"].weighted.rows == from_bytes(whole).weight
    assert from_bytes(whole).weight == round(sum(np.rint(table["weight"].to_numpy() * WEIGHT_STEPS)))
