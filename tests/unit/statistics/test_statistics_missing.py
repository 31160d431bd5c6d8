"""Columns that are missing together."""

from __future__ import annotations

import pyarrow as pa

from mlcore.statistics.missing import MOST_COLUMNS, merge_missing, missing_together


def test_rows_that_lack_both_are_counted_by_names_in_order() -> None:
    """A pair that no row lacks is left out, and so is a column that is always there."""
    table = pa.table({"b": [None, None, 1, 1], "a": [None, 2, None, 2], "c": [1, 1, 1, None], "d": [1, 1, 1, 1]})
    assert missing_together(table) == {("a", "b"): 1}
    assert missing_together(table.select(["d", "c"])) == {}
    assert missing_together(table.slice(3)) == {}


def test_parts_add_up_in_the_order_of_the_names() -> None:
    """Pairs of one part only are kept."""
    merged = merge_missing([{("b", "c"): 2}, {("a", "b"): 1, ("b", "c"): 3}, {}])
    assert list(merged.items()) == [(("a", "b"), 1), (("b", "c"), 5)]


def test_wide_tables_are_compared_up_to_a_limit() -> None:
    """Pairs of the first columns alone: all pairs of thousands would cost more than everything else."""
    names = [f"c{number:04}" for number in range(MOST_COLUMNS + 3)]
    found = missing_together(pa.table({name: pa.array([None, 1]) for name in names}))
    assert len(found) == MOST_COLUMNS * (MOST_COLUMNS - 1) // 2
    assert {name for pair in found for name in pair} == set(names[:MOST_COLUMNS])
    assert set(found.values()) == {1}
