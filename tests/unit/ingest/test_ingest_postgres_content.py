from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from mlcore.ingest.postgres.content import RowsDigest, in_order

SCHEMA = pa.schema(
    [
        ("id", pa.int64()), ("name", pa.string()), ("ok", pa.bool_()), ("x", pa.float64()), ("day", pa.date32()),
        ("at", pa.timestamp("us", tz="UTC")), ("amount", pa.decimal128(8, 2)), ("small", pa.int16()),
    ]
)  # fmt: skip
ROW = st.tuples(
    st.none() | st.integers(-3, 3), st.none() | st.sampled_from(["", "a", "é", "Z"]), st.none() | st.booleans(),
    st.none() | st.sampled_from([0.5, float("inf"), float("nan"), -1.0]), st.none() | st.just(date(2024, 1, 1)),
    st.none() | st.sampled_from([datetime(2024, 1, 1, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC)]),
    st.none() | st.sampled_from([Decimal("1.50"), Decimal("-2.00")]), st.none() | st.integers(0, 2),
)  # fmt: skip
ROWS = st.lists(ROW, max_size=12)


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def digest(rows: pa.Table, batch_rows: int = 100) -> str:
    made = RowsDigest(SCHEMA)
    for batch in rows.to_batches(max_chunksize=batch_rows):
        made.add(batch)
    return made.digest()


@given(ROWS, st.integers(1, 5), st.integers(0, 3))
def test_a_digest_does_not_see_batches(rows: list[tuple[Any, ...]], batch_rows: int, cut: int) -> None:
    """Batches of any size, and slices of larger ones, give the digest of the whole."""
    whole = table(rows)
    assert digest(whole, batch_rows) == digest(whole)
    tail = whole.combine_chunks().slice(min(cut, len(rows)))
    assert digest(tail, batch_rows) == digest(table(rows[cut:]))


@given(ROWS, ROWS)
def test_different_rows_have_different_digests(rows: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> None:
    """A null is no empty string and no zero, and values do not run into their neighbours."""
    assert (digest(table(rows)) == digest(table(others))) == (repr(rows) == repr(others))


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from([["id"], ["name", "id"], ["x", "at"], ["ok"], ["day"]]))
def test_the_order_is_arrows_whatever_it_was(rows: list[tuple[Any, ...]], random: Any, key: list[str]) -> None:
    """Sorted by the key, nulls last; rows of equal keys by what else they hold."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    names = [*key, *(name for name in SCHEMA.names if name not in key)]
    order = pc.sort_indices(table(rows), sort_keys=[(name, "ascending") for name in names])
    assert digest(in_order(table(shuffled), key)) == digest(table(rows).take(order))
