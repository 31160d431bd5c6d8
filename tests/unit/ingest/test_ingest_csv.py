from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.ingested import read_span
from support.small_data import DAY, make_data

from mlcore.errors import ConfigError, DataError, MalformedData, MlcoreError, SpanMissing
from mlcore.ingest.checks import non_finite
from mlcore.ingest.columns import examples_schema

DATA = make_data()
HEADER = "id,at,name,amount,day,ok,extra,delay"
ROWS = [
    "1,2013-01-02T10:00:00Z,a,1.5,2013-01-02,true,x,16",
    "2,2013-01-02T10:00:00Z,b,2,2013-01-02,false,x,15",
    "3,2013-01-02T23:59:59+00:00,NA,,2013-01-02,true,x,NA",
]
TEXT = "\n".join([HEADER, *ROWS]) + "\n"

Read = Callable[..., pa.Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: str | bytes, name: str = "day.csv", **source: Any) -> pa.Table:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        changed = DATA.model_copy(update={"source": DATA.source.model_copy(update=source)})
        return read_span(changed, path, DAY)

    return write_and_read


def pack(name: str, content: bytes) -> bytes:
    """Compressed as the name says."""
    return gzip.compress(content) if name.endswith("gz") else bytes(pa.compress(content, codec="zstd", asbytes=True))


def failure(read: Read, content: str | bytes, name: str = "day.csv", **source: Any) -> MlcoreError:
    with pytest.raises(MlcoreError) as caught:
        read(content, name, **source)
    assert caught.value.what
    assert caught.value.where
    assert caught.value.next_step
    return caught.value


def test_columns_are_typed_ordered_and_labelled(read: Read) -> None:
    """The table has the configured columns in their order, then the label; other columns are left out."""
    table = read(TEXT)
    assert table.schema.equals(examples_schema(DATA))
    assert table["name"].to_pylist() == ["a", "b", None]
    assert table["amount"].to_pylist() == [1.5, 2.0, None]
    assert table["late"].to_pylist() == [1, 0, None]


@pytest.mark.parametrize("name", ["day.csv.gz", "day.csv.zst"])
def test_compressed_files_read_the_same(read: Read, name: str) -> None:
    """The file's name says how it is compressed; zstd files may hold several frames."""
    half = len(TEXT) // 2
    parts = [TEXT[:half].encode(), TEXT[half:].encode()]
    packed = b"".join(
        gzip.compress(part) if name.endswith("gz") else pa.compress(part, codec="zstd", asbytes=True) for part in parts
    )
    assert read(packed, name).equals(read(TEXT))


@pytest.mark.parametrize("name", ["day.csv.gz", "day.csv.zst"])
def test_a_truncated_compressed_file_is_told_as_cut_off(read: Read, name: str) -> None:
    """Half a compressed file is an error that says so, never half the rows."""
    packed = (
        gzip.compress(TEXT.encode()) if name.endswith("gz") else pa.compress(TEXT.encode(), codec="zstd", asbytes=True)
    )
    error = failure(read, packed[:-6], name)
    assert isinstance(error, MalformedData)
    assert "cut off" in error.what
    assert "damaged" in failure(read, b"not compressed at all", name).what


def test_a_missing_file_names_the_span_and_the_file(tmp_path: Path) -> None:
    """The error is SpanMissing and says which file was expected."""
    with pytest.raises(SpanMissing, match="2013-01-02") as caught:
        read_span(DATA, tmp_path / "gone.csv", DAY)
    assert caught.value.where.endswith("gone.csv")


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    """An empty one is a span that is not there."""
    with pytest.raises(DataError, match="have no file"):
        read_span(DATA, tmp_path, DAY)


@pytest.mark.parametrize(("content", "says"), [("", "empty"), (" \n\n", "empty"), (HEADER + "\n", "no rows")])
def test_an_empty_file_is_an_error(read: Read, content: str, says: str) -> None:
    """No bytes, blank lines and a header without rows are told apart."""
    assert says in failure(read, content).what


def test_a_missing_column_is_named_with_those_there_are(read: Read) -> None:
    """The message lists what is missing and what the file has."""
    error = failure(read, TEXT.replace("amount", "sum", 1))
    assert "lacks the column 'amount'" in error.what
    assert "'sum'" in error.what
    assert error.where.endswith("day.csv:1")


def test_a_column_named_twice_is_an_error(read: Read) -> None:
    """Nobody can know which of two columns of one name is meant."""
    assert "more than once" in failure(read, TEXT.replace("extra", "amount", 1)).what


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("2,2013", "2x,2013", "id"),
        ("b,2,", "b,two,", "amount"),
        ("b,2,2013-01-02", "b,2,2013-13-02", "day"),
        ("2013-01-02T10:00:00Z,b", "2013-01-02T10:00:00,b", "at"),
        ("false", "no", "ok"),
    ],
)
def test_an_unparsable_value_is_named_with_its_line(read: Read, old: str, new: str, column: str) -> None:
    """The column, the line and the value are in the message."""
    error = failure(read, TEXT.replace(old, new))
    assert isinstance(error, MalformedData)
    assert f"column {column}: " in error.what
    assert error.where.endswith("day.csv:3")


def test_the_line_is_right_after_blank_lines_and_quoted_newlines(read: Read) -> None:
    """Lines are counted as an editor counts them."""
    rows = [ROWS[0].replace(",a,", ',"a\nb",'), "", "", ROWS[1].replace(",15", ",fifteen"), ROWS[2]]
    error = failure(read, "\r\n".join([HEADER, *rows]))
    assert error.where.endswith(":6")


def test_the_first_of_many_wrong_values_is_found(read: Read) -> None:
    """Of several wrong values in several columns the one on the first line is named."""
    rows = [f"{i},2013-01-02T10:00:00Z,a,1,2013-01-02,true,x,1" for i in range(500)]
    rows[300] = rows[300].replace(",1,", ",bad,")
    rows[217] = rows[217].replace("true,x,1", "true,x,worse")
    error = failure(read, "\n".join([HEADER, *rows]))
    assert "column delay: 'worse'" in error.what
    assert error.where.endswith(":219")


def test_a_wrong_value_is_quoted_with_a_bound(read: Read) -> None:
    """A huge value does not make a huge message."""
    assert len(str(failure(read, TEXT.replace("b,2,", f"b,{'z' * 100_000},")))) < 600


def test_a_line_with_too_few_cells_is_named(read: Read) -> None:
    """A file cut off in the middle of a line says which line."""
    error = failure(read, TEXT[:-20])
    assert "cells" in error.what
    assert error.where.endswith(":4")


def test_a_wrong_encoding_is_named_with_its_line(read: Read) -> None:
    """Latin-1 bytes in a file read as UTF-8 are an error; with the right encoding they are text."""
    content = TEXT.replace(",b,", ",M\xfcnchen,").encode("latin-1")
    error = failure(read, content)
    assert "utf-8" in error.what
    assert error.where.endswith(":3")
    assert read(content, encoding="latin-1")["name"][1].as_py() == "M\xfcnchen"


def test_an_unknown_encoding_is_a_configuration_error(read: Read) -> None:
    """The key is named."""
    error = failure(read, TEXT, encoding="utf-9")
    assert isinstance(error, ConfigError)
    assert error.where == "data.source.encoding"


def test_a_byte_order_mark_and_another_delimiter_are_read(read: Read) -> None:
    """Exports of spreadsheets are read."""
    assert read(b"\xef\xbb\xbf" + TEXT.replace(",", ";").encode(), delimiter=";").equals(read(TEXT))


def test_rows_outside_the_span_are_counted(read: Read) -> None:
    """A row of the next day in this day's file would leak the future: it is an error with count and line."""
    late = ROWS[1].replace("2013-01-02T10", "2013-01-03T00")
    error = failure(read, "\n".join([HEADER, ROWS[0], late, ROWS[2], late, "x"]))
    assert "outside the span" in error.what
    assert "3 of 5 rows are bad: 2 outside_span, 1 ragged" in error.what
    assert "2013-01-03T00:00:00Z" in error.what
    assert error.where.endswith(":3")


def test_an_offset_is_taken_into_account(read: Read) -> None:
    """23:30 at UTC-5 is tomorrow."""
    moved = ROWS[1].replace("2013-01-02T10:00:00Z", "2013-01-02T23:30:00-05:00")
    assert "outside the span" in failure(read, "\n".join([HEADER, moved])).what


def test_a_repeated_key_names_both_lines(read: Read) -> None:
    """Duplicate keys are an error with the key and where both rows are."""
    error = failure(read, "\n".join([HEADER, *ROWS, ROWS[0]]))
    assert "id=1, at=2013-01-02T10:00:00Z" in error.what
    assert ":2 and " in error.where
    assert error.where.endswith(":5")


def test_a_row_without_a_key_or_moment_is_an_error(read: Read) -> None:
    """A missing key cannot be checked for repeats, a missing moment not for its span."""
    assert "id is missing; every row" in failure(read, TEXT.replace("2,2013", "NA,2013")).what
    assert "at is missing" in failure(read, TEXT.replace("2,2013-01-02T10:00:00Z", "2,")).what


def test_nan_and_infinity_are_kept_and_counted(read: Read) -> None:
    """Numbers that are not finite are data; how many there are is recorded."""
    table = read(TEXT.replace("a,1.5", "a,nan").replace("b,2,", "b,-inf,"))
    assert math.isnan(table["amount"][0].as_py())
    assert dict(non_finite(table.to_batches()[0])) == {"amount": 2}
    assert dict(non_finite(read(TEXT).to_batches()[0])) == {}
