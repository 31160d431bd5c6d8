"""Strings beyond the exact limit: what is stored follows from the strings and their counts alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.accumulators import frequent, value_counts
from mlcore.accumulators.value_counts import LIMIT, ValueCounts
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.columns import ColumnAccumulator
from mlcore.statistics.files import from_bytes, to_bytes

DISTINCT = 110_000
ROWS = 2_000_000
Counts = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def names() -> pa.Array:
    return pa.array([f"customer {number:x}" for number in range(DISTINCT)])


@pytest.fixture(scope="module")
def counts() -> Counts:
    """Every string once at least, the n-th about as often as 1/n says."""
    shares = 1 / np.arange(1, DISTINCT + 1)
    drawn = np.random.default_rng(8).multinomial(ROWS - DISTINCT, shares / shares.sum())
    return np.asarray(drawn + 1, np.int64)


def counted(names: pa.Array, counts: Counts) -> ValueCounts:
    some = np.flatnonzero(counts)
    return ValueCounts.of_counted(names.take(pa.array(some)), counts[some])


def digest(values: ValueCounts) -> str:
    column = ColumnAccumulator(type="string", values=values, rows=ROWS)
    return hashlib.sha256(to_bytes(DatasetAccumulator(rows=ROWS, columns={"x": column}))).hexdigest()


def divided(counts: Counts, parts: int, generator: np.random.Generator) -> list[Counts]:
    """The occurrences of every string, dealt out among so many parts; one of them small enough to be exact."""
    left, made = counts.copy(), []
    for part in range(parts - 1):
        taken = generator.binomial(left, 0.01 if part == 0 else generator.random())
        made.append(taken)
        left = left - taken
    return [*made, left]


def test_fifty_partitionings_of_many_strings_give_one_digest(names: pa.Array, counts: Counts) -> None:
    """110,000 strings, dealt out among parts in ten ways, each merged in five orders and nestings: one SHA-256."""
    digests, generator, exact = {digest(counted(names, counts))}, np.random.default_rng(13), 0
    for _ in range(10):
        parts = [counted(names, part) for part in divided(counts, int(generator.integers(2, 5)), generator)]
        exact += sum(part.complete for part in parts)
        for _ in range(5):
            shuffled = [parts[place] for place in generator.permutation(len(parts)).tolist()]
            middle = int(generator.integers(1, len(parts)))
            merged = ValueCounts.merge([ValueCounts.merge(shuffled[:middle]), ValueCounts.merge(shuffled[middle:])])
            digests.add(digest(merged))
    assert exact
    assert len(digests) == 1


def test_frequent_strings_are_on_top_with_nearly_their_counts(names: pa.Array, counts: Counts) -> None:
    """Of skewed strings the twenty most frequent in order, counts to a hundredth; their number, and their ranks."""
    found = counted(names, counts)
    order = np.lexsort((np.arange(DISTINCT), -counts))
    top = found.top(20)
    assert [value for value, _ in top] == names.take(pa.array(order[:20])).to_pylist()
    assert [count for _, count in top] == pytest.approx(counts[order[:20]].tolist(), rel=0.01)
    assert found.distinct == pytest.approx(DISTINCT, rel=0.02)
    ranks = found.ranks(1_000)
    assert len(ranks) == 1_000
    assert ranks[:50] == pytest.approx(counts[order[:50]].tolist(), rel=0.05)
    assert ranks[500:] == pytest.approx(counts[order[500:1_000]].tolist(), rel=0.3)


def test_a_string_that_is_not_kept_is_rarer_than_the_bound(names: pa.Array, counts: Counts) -> None:
    """Whatever is not among the values occurs no more often than ``error`` says, which is a few thousandths."""
    found = counted(names, counts)
    assert found.spilled is not None
    missing = np.flatnonzero(~np.isin(np.array(names.to_pylist()), found.values.to_pylist()))
    assert int(counts[missing].max()) <= found.spilled.error < 0.003 * ROWS


def test_strings_of_equal_counts_have_a_sample_with_exact_counts(names: pa.Array) -> None:
    """Where nothing is frequent, what is shown is true, and the ranks are those of all strings."""
    found = counted(names, np.full(DISTINCT, 3, np.int64))
    assert set(found.counts.tolist()) == {3}
    assert 500 < len(found.values) <= frequent.SAMPLED
    assert found.ranks(1_000) == [3] * 1_000
    assert found.distinct == pytest.approx(DISTINCT, rel=0.02)


def test_counts_of_any_size_add_up(names: pa.Array) -> None:
    """Weights make counts beyond 32 bits: sums stay exact, whichever parts they come in."""
    counts = np.arange(1, DISTINCT + 1, dtype=np.int64) * 2**22
    counts[7] = 2**50
    whole = counted(names, counts)
    half = counted(names, counts // 2)
    assert digest(ValueCounts.merge([half, half])) == digest(whole)
    assert whole.top(1)[0][0] == names[7].as_py()
    assert whole.top(1)[0][1] == pytest.approx(2**50, rel=1e-3)


words = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(words, min_size=3, max_size=3), limit=st.integers(1, 9))
def test_strings_merge_in_any_order_and_nesting(
    monkeypatch: pytest.MonkeyPatch, parts: Sequence[Sequence[str]], limit: int
) -> None:
    """With few buckets and a low limit: parts that are exact and parts that are not make what all rows at once make."""
    monkeypatch.setattr(value_counts, "LIMIT", limit)
    monkeypatch.setattr(frequent, "BUCKETS", 4)
    monkeypatch.setattr(frequent, "SAMPLED", 2)
    whole = ValueCounts.of(pa.array([word for part in parts for word in part], pa.string()))
    one, two, three = (ValueCounts.of(pa.array(part, pa.string())) for part in parts)
    assert digest(ValueCounts.merge([three, ValueCounts.merge([one, two])])) == digest(whole)
    assert digest(ValueCounts.merge([ValueCounts.merge([three, two]), one])) == digest(whole)
    assert digest(ValueCounts.merge([two, one, three])) == digest(whole)
    stored = from_bytes(to_bytes(DatasetAccumulator(1, {"x": ColumnAccumulator(type="string", values=whole)})))
    assert digest(stored.columns["x"].values) == digest(whole)


def test_the_limit_itself_is_exact(names: pa.Array) -> None:
    """As many strings as are counted exactly, and one more."""
    assert counted(names.slice(0, LIMIT), np.ones(LIMIT, np.int64)).complete
    assert not counted(names.slice(0, LIMIT + 1), np.ones(LIMIT + 1, np.int64)).complete
