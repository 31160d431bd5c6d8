"""Laws of ingest: what is exported is what is read, and the wrong value is always the one that is named."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.ingested import read_span

from mlcore.config.data import Data
from mlcore.core.window import Span, parse_moment
from mlcore.ingest.examples import read_examples, write_examples
from mlcore.ingest.formats.csv_format import CsvOptions, read_csv

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


@given(lines=st.lists(st.text(st.sampled_from('1a2,"\n\r \x00é'), max_size=12), max_size=12), block=st.booleans())
def test_no_row_is_lost(lines: list[str], block: bool) -> None:
    """Whatever a file holds, its rows are those that are read and those that are bad, and no line is named twice."""
    content = "a,b\n" + "\n".join(lines)
    types = {"a": pa.int64(), "b": pa.string()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content.encode())
        found = list(read_csv(str(path), CsvOptions(quote="" if block else '"'), types))
    places = [line for each in found for line in [*each.lines.tolist(), *(row.line for row in each.bad)]]
    assert len(places) == sum(each.total for each in found)
    assert len(set(places)) == len(places)
    assert all(2 <= line <= len(re.split("\r\n|\r|\n", content)) for line in places)
    if block:
        expected = [line for line in re.split("\r\n|\r|\n", content)[1:] if line]
        assert len(places) == len(expected)


@given(rows=st.lists(st.tuples(st.text(st.sampled_from('a,"\n\r'), min_size=1, max_size=6), st.integers(0, 99))))
def test_the_standard_librarys_csv_is_read(rows: list[tuple[str, int]]) -> None:
    """Every file that Python's csv module writes is read as it was written, with the line of each row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["a", "b"])
    starts = []
    for row in rows:
        starts.append(len(re.split("\r\n|\r|\n", buffer.getvalue())))
        writer.writerow(row)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(buffer.getvalue().encode())
        found = list(read_csv(str(path), CsvOptions(), {"a": pa.string(), "b": pa.int64()}))
    assert [row for each in found for row in each.bad] == []
    assert [tuple(row.values()) for each in found for row in each.rows.to_pylist()] == rows
    assert [line for each in found for line in each.lines.tolist()] == starts
