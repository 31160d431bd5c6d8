"""Laws of the drift report's sample."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mlcore.monitoring.sampling import key_hashes, sample

keys = st.lists(st.tuples(st.integers(-5, 5), st.text(max_size=3)), unique=True, max_size=60)


def batch(rows: list[tuple[int, str]]) -> pa.RecordBatch:
    return pa.record_batch(
        {"a": pa.array([a for a, _ in rows], pa.int64()), "b": pa.array([b for _, b in rows], pa.string())}
    )


@given(rows=keys, data=st.data(), size=st.integers(1, 20))
def test_order_and_split_do_not_matter(rows: list[tuple[int, str]], data: st.DataObject, size: int) -> None:
    """The sample of any permutation in any pieces is the sample of the whole."""
    shuffled = data.draw(st.permutations(rows))
    step = data.draw(st.integers(1, 60))
    pieces = [batch(shuffled[start : start + step]) for start in range(0, len(shuffled), step)]
    expected = sample([batch(rows)], key=["a", "b"], columns=["a", "b"], rows=size)
    if rows:
        assert sample(pieces, key=["a", "b"], columns=["a", "b"], rows=size).equals(expected)
    assert expected.num_rows == min(size, len(rows))


@given(rows=keys)
def test_keys_that_differ_have_hashes_that_differ(rows: list[tuple[int, str]]) -> None:
    """Sixty-four bits are enough to tell small sets of keys apart."""
    hashes = key_hashes(batch(rows), ["a", "b"])
    assert len(set(hashes.tolist())) == len(rows)
