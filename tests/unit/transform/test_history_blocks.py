"""Columns of a row's past of more rows than are looked at together: where rows are cut changes nothing."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlcore.transform.history.columns import HistoryColumn, add_history

HOUR = timedelta(hours=1)
YEARS = timedelta(days=365 * 9000)
COUNT, SLICE = 80_000, 9_000


def column(aggregate: str, over: timedelta, by: tuple[str, ...]) -> HistoryColumn:
    return HistoryColumn(
        name=f"{aggregate}_{over}",
        aggregate=aggregate,
        column="x",
        by=by,
        over=over,
        delay=HOUR,
        periods=2,
        type="int64" if aggregate == "count" else "float64",
        reads={**dict.fromkeys(by, "int64"), "x": "float64"},
    )


def table(moments: np.ndarray) -> pa.Table:
    """Whole numbers first, then such as need all of their bits, of many sizes; some missing."""
    chance = np.random.default_rng(3)
    x = chance.integers(-99, 99, COUNT) * 1.0
    x[COUNT // 2 :] *= chance.random(COUNT - COUNT // 2) * 10.0 ** chance.integers(-30, 30, COUNT - COUNT // 2)
    return pa.table(
        {
            "at": pa.array(moments).cast(pa.timestamp("us", "UTC")),
            "key": chance.integers(0, 2_000, COUNT),
            "x": pa.array(x, mask=chance.random(COUNT) < 0.1),
        }
    )


@pytest.mark.parametrize("by", [("key",), ()])
@pytest.mark.parametrize("over", [48 * HOUR, YEARS])
@pytest.mark.parametrize("hours", [24 * 60, 24 * 365 * 7000], ids=["months", "millennia"])
def test_rows_at_once_are_as_rows_of_their_own(by: tuple[str, ...], over: timedelta, hours: int) -> None:
    """Of a key and of all rows, with short and long windows, of moments whose number with the key's is too large."""
    moments = np.random.default_rng(5).integers(0, hours, COUNT) * 3_600_000_000
    rows = table(moments)
    history = [column(aggregate, over, by) for aggregate in ("count", "sum", "mean", "std", "min", "max", "lag")]
    names = [one.name for one in history]
    at_once = add_history(rows, rows, history, event_timestamp="at").select(names)
    for first in (0, COUNT // 2, COUNT - SLICE):
        alone = add_history(rows.slice(first, SLICE), rows, history, event_timestamp="at").select(names)
        assert alone.equals(at_once.slice(first, SLICE))
