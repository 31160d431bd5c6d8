from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from mlcore.monitoring.sampling import key_hashes, sample

GOLDEN = ["0x659df550cfae3496", "0xf5b8eff02d2f4a6e"]


def rows(count: int) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "id": pa.array(range(count)),
            "name": pa.array([f"n{i % 13}" if i % 5 else None for i in range(count)]),
            "at": pa.array([datetime(2013, 1, 1, i % 24, tzinfo=UTC) for i in range(count)], pa.timestamp("us", "UTC")),
            "x": pa.array([i / 7 for i in range(count)]),
        }
    )


def test_the_sample_does_not_depend_on_order_or_batches() -> None:
    """Any order and any split into batches give the same table."""
    whole = rows(3000)
    expected = sample([whole], key=["id", "name", "at"], columns=["x", "name"], rows=100)
    assert (expected.num_rows, expected.column_names) == (100, ["x", "name"])
    shuffled = whole.take(pa.array(np.random.default_rng(3).permutation(3000)))
    for size in (50, 700, 3000):
        batches = [shuffled.slice(start, size) for start in range(0, 3000, size)]
        assert sample(batches, key=["id", "name", "at"], columns=["x", "name"], rows=100).equals(expected)


def test_the_sample_is_uniform() -> None:
    """Every part of the rows has its share of the sample."""
    chosen = sample([rows(20_000)], key=["id"], columns=["id"], rows=4000)["id"].to_numpy()
    shares = np.bincount(chosen // 5000, minlength=4)
    assert chosen.size == len(set(chosen.tolist()))
    assert shares.min() > 850
    assert shares.max() < 1150


def test_few_rows_are_all_taken_and_seeds_differ() -> None:
    """A sample larger than the data is the data; another seed samples other rows."""
    assert sorted(sample([rows(5)], key=["id"], columns=["id"], rows=9)["id"].to_pylist()) == [0, 1, 2, 3, 4]
    first, second = (sample([rows(900)], key=["id"], columns=["id"], rows=9, seed=seed) for seed in (0, 1))
    assert not first.equals(second)


def test_a_column_that_is_not_there_is_left_out() -> None:
    """The sample has what the data has."""
    assert sample([rows(5)], key=["id"], columns=["gone", "x"], rows=3).column_names == ["x"]


def test_hashes_are_the_same_everywhere() -> None:
    """The hash of a key is fixed: a sample made today is the one made in a year."""
    batch = pa.record_batch(
        {
            "s": pa.array(["UA", None]),
            "i": pa.array([1545, None]),
            "f": pa.array([0.5, None]),
            "d": pa.array([date(2013, 1, 1), None]),
            "b": pa.array([True, None]),
        }
    )
    assert [hex(value) for value in key_hashes(batch, ["s", "i", "f", "d", "b"]).tolist()] == GOLDEN
