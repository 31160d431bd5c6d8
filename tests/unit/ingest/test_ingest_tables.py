from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlcore.errors import DataError, MalformedData
from mlcore.ingest.formats.csv_format import CsvOptions
from mlcore.ingest.tables import BadRows, open_table

TEXT = b"a,b,c,d\n1,1.5,x,\n007,2,,\n-3,nan,z,\n"


def write(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_types_are_inferred_over_the_whole_file(tmp_path: Path) -> None:
    """Whole numbers, numbers and strings as TensorFlow Data Validation has them; an empty cell is missing."""
    table = open_table(write(tmp_path, "t.csv", TEXT))
    assert table.schema.types == [pa.int64(), pa.float64(), pa.string(), pa.string()]
    assert table.read()["a"].to_pylist() == [1, 7, -3]
    assert table.read()["c"].to_pylist() == ["x", None, "z"]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_header_without_commas_is_divided_by_what_it_has(tmp_path: Path, mark: str) -> None:
    """A file of semicolons, tabs or bars has its columns, not one of a long name; decimal commas do no harm."""
    path = write(tmp_path, "t.csv", f"a{mark}b\n1,5{mark}2\nNA{mark}3\n".encode())
    table = open_table(path, nulls=["NA"])
    assert table.schema.names == ["a", "b"]
    assert table.read().to_pydict() == {"a": ["1,5", None], "b": [2, 3]}


def test_a_column_alone_keeps_its_name(tmp_path: Path) -> None:
    """A file of one column is one, and where options are given they decide."""
    assert open_table(write(tmp_path, "t.csv", b"a\n1\n")).schema.names == ["a"]
    assert open_table(write(tmp_path, "u.csv", b"a;b\n1\n"), options=CsvOptions()).schema.names == ["a;b"]


def test_a_late_value_widens_a_column(tmp_path: Path) -> None:
    """The last of many rows decides as much as the first, in whatever block it is."""
    rows = b"".join(b"%d,%d\n" % (i, i) for i in range(600_000))
    table = open_table(write(tmp_path, "t.csv", b"a,b\n" + rows + b"x,1.5\n"))
    assert table.schema.types == [pa.string(), pa.float64()]
    assert sum(batch.num_rows for batch in table.batches()) == 600_001


def test_given_types_are_not_inferred(tmp_path: Path) -> None:
    """Types that are given are taken, and a value that is not of its type is told with its line."""
    path = write(tmp_path, "t.csv", TEXT)
    assert open_table(path, columns={"a": "string"}).read()["a"].to_pylist() == ["1", "007", "-3"]
    with pytest.raises(MalformedData, match="'x' is not a whole number") as caught:
        open_table(path, columns={"c": "int64"}).read()
    assert caught.value.where.endswith("t.csv:2")


def test_compressed_json_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    """The format is told by the name."""
    rows = [{"a": 1, "b": 1.5, "c": "x"}, {"a": 2, "b": 2, "c": None}]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    expected = pa.table({"a": [1, 2], "b": [1.5, 2.0], "c": ["x", None]})
    pq.write_table(expected, tmp_path / "t.parquet")
    for path in (
        write(tmp_path, "t.jsonl", lines),
        write(tmp_path, "t.ndjson.gz", gzip.compress(lines)),
        write(tmp_path, "t.csv.gz", gzip.compress(b"a,b,c\n1,1.5,x\n2,2,\n")),
        str(tmp_path / "t.parquet"),
    ):
        assert open_table(path).read().equals(expected), path


def test_folders_and_globs_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    """A folder's hidden files are left out, and columns named by folders are there."""
    for year in (2014, 2013):
        folder = tmp_path / "t" / f"year={year}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"a": [year]}), folder / "part.parquet")
    (tmp_path / "t" / "_SUCCESS").write_bytes(b"")
    found = open_table(str(tmp_path / "t")).read()
    assert found.to_pylist() == [{"a": 2013, "year": "2013"}, {"a": 2014, "year": "2014"}]
    assert open_table(str(tmp_path / "t" / "*" / "*.parquet"), columns={"year": "int64"}).read()[
        "year"
    ].to_pylist() == [
        2013,
        2014,
    ]


def test_a_url_of_fsspec_is_read() -> None:
    """Any file system that fsspec knows."""
    import fsspec

    with fsspec.open("memory://tables/t.csv", "wb") as file:
        file.write(TEXT)
    assert open_table("memory://tables/t.csv").read().num_rows == 3
    assert open_table("memory://tables").read().num_rows == 3


def test_null_values_and_empty_strings_are_told_apart(tmp_path: Path) -> None:
    """Where the user asks for it a quoted empty cell is an empty string."""
    path = write(tmp_path, "t.csv", b'a,b\n1,""\n2,\n3,NA\n')
    options = CsvOptions(null_values=("", "NA"), quoted_nulls=False)
    assert open_table(path, options=options).read()["b"].to_pylist() == ["", None, None]
    assert open_table(path, options=CsvOptions(null_values=("", "NA"))).read()["b"].to_pylist() == [None] * 3


def test_bytes_that_are_no_text_make_a_column_of_bytes(tmp_path: Path) -> None:
    """What cannot be decoded is kept as it is, for statistics to count."""
    table = open_table(write(tmp_path, "t.csv", b"a\nx\n\xff\n"))
    assert table.schema.types == [pa.binary()]
    assert table.read()["a"].to_pylist() == [b"x", b"\xff"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"a,b\n1\n"),
        ("t.jsonl", b"[1]\n"),
        ("t.jsonl", b'{"a": [1]}\n'),
        ("t.jsonl", b'{"a": 1}\n{"a": "x"}\n'),
        ("t.parquet", b"PAR1 nothing"),
        ("t.csv.gz", b"no gzip"),
        ("t.csv.gz", gzip.compress(TEXT * 100, mtime=0)[:-9]),
    ],
    ids=["few cells", "no object", "nested", "two types", "no parquet", "no gzip", "cut gzip"],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    """Every fault of a file is an error with what, where and what to do."""
    with pytest.raises(DataError) as caught:
        open_table(write(tmp_path, name, content)).read()
    assert caught.value.what
    assert caught.value.where
    assert caught.value.next_step


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file, an empty folder and an unknown protocol are no tracebacks."""
    for path in (str(tmp_path / "gone.csv"), str(tmp_path), "nothing://x/y.csv"):
        with pytest.raises(DataError):
            open_table(path).read()


def test_an_empty_file_has_no_columns_and_no_rows(tmp_path: Path) -> None:
    """It is for who reads it to say whether that is a fault; beside files that hold something it is none."""
    for name in ("t.csv", "t.csv.gz", "t.jsonl"):
        assert open_table(write(tmp_path, name, b"")).read().shape == (0, 0), name
    write(tmp_path, "u.csv", TEXT)
    assert open_table(str(tmp_path / "?.csv")).read().num_rows == 3


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    """Ragged lines and lines that are no JSON: the good rows are there, the others are told by reason and place."""
    good = b"".join(b"%d,x\n" % i for i in range(300))
    bad = BadRows(most=0.01)
    table = open_table(write(tmp_path, "t.csv", b"a,b\n" + good + b"1,2,3\n" + good + b"7\n"))
    assert table.read(bad).num_rows == 600
    assert (bad.rows, bad.by_reason) == (602, {"ragged": 2})
    assert [row.line for row in bad.first] == [302, 603]
    lines = b"".join(b'{"a": %d, "b": "x"}\n' % i for i in range(300))
    bad = BadRows(most=0.01)
    table = open_table(write(tmp_path, "t.jsonl", lines + b'{"a":\n[1]\n{"a": "word"}\n'))
    assert table.schema.types == [pa.int64(), pa.string()]
    assert table.read(bad).num_rows == 300
    assert [(row.line, row.reason.value) for row in bad.first] == [(line, "unparsable") for line in (301, 302, 303)]
    with pytest.raises(MalformedData, match="301: the line is not JSON") as caught:
        table.read(BadRows(most=0.005))
    assert "3 of 303 rows are bad" in caught.value.what
    with pytest.raises(MalformedData):
        table.read()


def test_signs_and_white_space_around_numbers_are_no_text(tmp_path: Path) -> None:
    """As TensorFlow Data Validation has it; in the next column they are not around a number."""
    table = open_table(write(tmp_path, "t.csv", b"a,b,c\n+5,+1.5,+-5\n 7\x0b,\t2 ,1 2\n"))
    assert table.schema.types == [pa.int64(), pa.float64(), pa.string()]
    assert table.read().to_pylist() == [{"a": 5, "b": 1.5, "c": "+-5"}, {"a": 7, "b": 2.0, "c": "1 2"}]


def test_columns_that_differ_between_files_are_told(tmp_path: Path) -> None:
    """A column that one file alone has is not left out in silence."""
    write(tmp_path, "a.csv", b"x,y\n1,2\n")
    write(tmp_path, "b.csv", b"x,z\n1,2\n")
    with pytest.raises(MalformedData, match="y, z") as caught:
        open_table(str(tmp_path / "*.csv"))
    assert caught.value.where.endswith("b.csv")
