"""Laws of ingest: what is exported is what is read, and the wrong value is always the one that is named."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mlcore.config.pipeline import Data
from mlcore.core.window import Span, parse_moment
from mlcore.ingest.csv_faults import first_failure
from mlcore.ingest.examples import read_examples, write_examples
from mlcore.ingest.sources import read_span

SPAN = Span(start=parse_moment("2013-01-02T00:00Z"), end=parse_moment("2013-01-03T00:00Z"))
DATA = Data.model_validate(
    {
        "source": {"type": "csv", "path": "{YYYY}{MM}{DD}.csv"},
        "columns": {"at": "timestamp", "id": "int64", "text": "string", "x": "float64", "day": "date", "ok": "bool"},
        "event_timestamp": "at",
        "key": ["id"],
        "span": timedelta(days=1),
        "label": {"name": "y", "column": "x", "above": 0},
    }
)
text = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), min_size=1, max_size=9
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.datetimes(datetime(2013, 1, 2), datetime(2013, 1, 2, 23, 59)).map(
                lambda at: at.replace(tzinfo=UTC)
            ),
            "text": st.none() | text,
            "x": st.none() | st.floats(allow_nan=False),
            "day": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
            "ok": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=12,
)


COLUMNS = ["id", "at", "text", "x", "day", "ok"]


def exported(value: Any) -> str:
    if value is None:
        return ""
    return str(value.isoformat()) if isinstance(value, date) else str(value)


@given(rows=rows)
def test_what_is_exported_is_read(rows: list[dict[str, Any]]) -> None:
    """Quotes, newlines, delimiters and missing values survive the way through CSV and Parquet."""
    keyed = [{"id": number, **row} for number, row in enumerate(rows)]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    writer.writerows([exported(row[name]) for name in COLUMNS] for row in keyed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "day.csv"
        path.write_bytes(buffer.getvalue().encode())
        table = read_span(DATA, path, SPAN)
        write_examples(Path(folder), table)
        assert read_examples([Path(folder)]).equals(table)
    assert table.select(COLUMNS).to_pylist() == keyed
    assert table["y"].to_pylist() == [None if row["x"] is None else int(row["x"] > 0) for row in keyed]


@given(wrong=st.sets(st.integers(0, 40)), count=st.integers(0, 41))
def test_halving_finds_the_first_failure(wrong: set[int], count: int) -> None:
    """Of any set of wrong cells the first is found, and none where there is none."""
    cells = ["x" if index in wrong else "1" for index in range(count)]
    expected = min((index for index in wrong if index < count), default=None)
    assert first_failure(cells, lambda part: "x" not in part) == expected
