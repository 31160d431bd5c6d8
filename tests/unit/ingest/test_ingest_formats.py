"""What a file may be written as: the options of CSV, nested values of JSON Lines, the types of Parquet."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mlcore.config.data import ColumnType
from mlcore.errors import ConfigError, MalformedData
from mlcore.ingest.blocks import Block
from mlcore.ingest.columns import ARROW_TYPES
from mlcore.ingest.formats.csv_format import CsvOptions, read_csv
from mlcore.ingest.formats.json_lines import read_json_lines
from mlcore.ingest.formats.parquet import read_parquet
from mlcore.ingest.tables import open_table

TEXT = 'a,b\n1,"Zoë, €\n5"\n2,\n'
ROWS = [(1, "Zoë, €\n5"), (2, None)]
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def rows_of(blocks: Iterable[Block]) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    """The rows, and line and reason of the bad ones."""
    found = list(blocks)
    return (
        [tuple(row.values()) for block in found for row in block.rows.to_pylist()],
        [(bad.line, bad.reason.value) for block in found for bad in block.bad],
    )


def csv(
    folder: Path, content: bytes, types: Mapping[str, ColumnType] | None = None, name: str = "t.csv", **options: Any
) -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    path = folder / name
    path.write_bytes(content)
    asked = types or {"a": "int64", "b": "string"}
    arrow = {column: ARROW_TYPES[kind] for column, kind in asked.items()}
    return rows_of(read_csv(str(path), CsvOptions(**options), arrow))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "iso8859-15"]
)
def test_csv_of_any_encoding(tmp_path: Path, encoding: str) -> None:
    """With and without a mark at its beginning, compressed or not; the rows are the same."""
    text = TEXT.encode(encoding)
    assert csv(tmp_path, text, encoding=encoding) == (ROWS, [])
    assert csv(tmp_path, gzip.compress(text), name="t.csv.gz", encoding=encoding) == (ROWS, [])


def test_csv_of_latin_1_and_marks_that_belong_to_no_text(tmp_path: Path) -> None:
    """Every byte is a letter of Latin-1; the mark of UTF-8 and of UTF-16 is no part of the first name."""
    assert csv(tmp_path, "a,b\n1,é\n".encode("latin-1"), encoding="latin-1") == ([(1, "é")], [])
    assert csv(tmp_path, codecs.BOM_UTF8 + b"a,b\n1,x\n") == ([(1, "x")], [])
    assert csv(tmp_path, codecs.BOM_UTF16_LE + "a,b\n1,x\n".encode("utf-16-le"), encoding="utf-16-le") == (
        [(1, "x")],
        [],
    )


@pytest.mark.parametrize(("written", "read"), [("utf-16", "utf-8"), ("utf-8", "utf-16")])
def test_csv_in_another_encoding_than_was_said_is_told(tmp_path: Path, written: str, read: str) -> None:
    """The message says which key of the pipeline file to correct."""
    with pytest.raises(MalformedData) as caught:
        csv(tmp_path, TEXT.encode(written), encoding=read)
    assert "data.source.encoding" in caught.value.next_step


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (b"a\tb\n1\tx,y\n", {"delimiter": "\t"}, [(1, "x,y")]),
        (b"a;b\n1;'x;''y'' z'\n", {"delimiter": ";", "quote": "'"}, [(1, "x;'y' z")]),
        (b"a|b\r\n1|x\r\n", {"delimiter": "|"}, [(1, "x")]),
        (b'a,b\n1,"x\n2,y"\n', {"quote": ""}, [(1, '"x'), (2, 'y"')]),
        (b'a,b\n1,"x ""q"" y"\n', {}, [(1, 'x "q" y')]),
        (b"a,b\nNA,-\n2,x\n", {"null_values": ("", "NA", "-")}, [(None, None), (2, "x")]),
        (
            b'a,b\n1,""\n2,\n3,"NA"\n4,NA\n',
            {"null_values": ("", "NA"), "quoted_nulls": False},
            [(1, ""), (2, None), (3, "NA"), (4, None)],
        ),
    ],
)
def test_csv_as_it_is_written(
    tmp_path: Path, content: bytes, options: dict[str, Any], expected: list[tuple[Any, ...]]
) -> None:
    """Delimiters, quotes and texts that mean missing."""
    assert csv(tmp_path, content, **options) == (expected, [])


@pytest.mark.parametrize("options", [{"delimiter": "é"}, {"delimiter": "\n"}, {"delimiter": "'", "quote": "'"}])
def test_csv_options_that_cannot_be_are_told(tmp_path: Path, options: dict[str, Any]) -> None:
    """Before a byte is read."""
    with pytest.raises(ConfigError):
        csv(tmp_path, b"a,b\n", **options)


def test_csv_in_explicit_types(tmp_path: Path) -> None:
    """Each is what data.columns says; a value that cannot be is a bad row with its line."""
    types: dict[str, ColumnType] = {
        "i": "int64", "f": "float64", "s": "string", "b": "bool", "d": "date", "t": "timestamp",
    }  # fmt: skip
    good = b" 7 ,1e3,007,true,2024-01-31,2024-01-01T14:00:00+02:00\n+7,inf,,0,2024-02-29,2024-01-01 12:00:00Z\n"
    wrong = (
        b"1.0,1,s,1,2024-01-01,2024-01-01T00:00:00Z\n1,x,s,1,2024-01-01,2024-01-01T00:00:00Z\n"
        b"1,1,s,yes,2024-01-01,2024-01-01T00:00:00Z\n1,1,s,1,2024-02-30,2024-01-01T00:00:00Z\n"
        b"1,1,s,1,2024-01-01,2024-01-01T00:00:00\n9223372036854775808,1,s,1,2024-01-01,2024-01-01T00:00:00Z\n"
    )
    rows, bad = csv(tmp_path, b"i,f,s,b,d,t\n" + good + wrong, types)
    assert rows == [
        (7, 1000.0, "007", True, date(2024, 1, 31), NOON),
        (7, float("inf"), None, False, date(2024, 2, 29), NOON),
    ]
    assert bad == [(line, "unparsable") for line in range(4, 10)]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_compressed_files_of_several_members(tmp_path: Path, ending: str) -> None:
    """As concatenation and parallel writers make them, empty ones too; what is cut off, or goes on, is told."""
    pack = gzip.compress if ending == ".gz" else partial(pa.compress, codec="zstd", asbytes=True)
    content = b"".join(pack(part) for part in (b"a,b\n1,", b"", b"x\n2,y\n"))
    assert csv(tmp_path, content, name=f"t.csv{ending}") == ([(1, "x"), (2, "y")], [])
    for damaged in (content[:-2], content + b"rubbish"):
        with pytest.raises(MalformedData):
            csv(tmp_path, damaged, name=f"t.csv{ending}")


def test_json_lines_with_nested_values(tmp_path: Path) -> None:
    """A list or an object where a value should be is a bad row; members that nobody asked for may be anything."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'{"a": 1, "b": "x", "c": {"d": [1]}}\n{"a": [1], "b": "x"}\n{"a": 2, "b": {"c": 1}}\n'
        b'{"a": "3", "b": "x"}\n{"a": 4, "b": 5}\n{"b": "x"}\n[1]\n{"a": 1,\n'
    )
    rows, bad = rows_of(read_json_lines(str(path), {"a": pa.int64(), "b": pa.string()}))
    assert rows == [(1, "x"), (None, "x")]
    assert bad == [(line, "unparsable") for line in (2, 3, 4, 5, 7, 8)]
    path.write_bytes(b'{"a": 1, "c": [1]}\n{"a": 2, "c": {"x": 1}}\n')
    with pytest.raises(MalformedData, match="'c' is a list or an object in 2 rows"):
        open_table(str(path))


PARQUET: list[Any] = [
    (pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)), "float64", [1.25, None]),
    (pa.array([Decimal("1.20"), None], pa.decimal256(50, 2)), "string", ["1.20", None]),
    (pa.array([Decimal(7), None], pa.decimal128(20, 0)), "int64", [7, None]),
    *(
        (
            pa.array([NOON.replace(tzinfo=None), None], pa.timestamp(unit)).cast(pa.timestamp(unit, zone)),
            "timestamp",
            [NOON, None],
        )
        for unit in ("s", "ms", "us", "ns")
        for zone in ("UTC", "+02:00", "America/New_York")
    ),
    (pa.array([1_704_110_400_000_000_999], pa.timestamp("ns", "UTC")), "timestamp", [NOON]),
    (pa.array([date(2024, 1, 1)], pa.date64()), "date", [date(2024, 1, 1)]),
    (pa.array(["x", "y", None, "x"]).dictionary_encode(), "string", ["x", "y", None, "x"]),
    (pa.array([1, None]).dictionary_encode(), "int64", [1, None]),
    (pa.array(["x", None], pa.large_string()), "string", ["x", None]),
    (pa.array(["x", None], pa.string_view()), "string", ["x", None]),
    (pa.array([b"x", None], pa.large_binary()), "string", ["x", None]),
    (pa.array([b"xy"], pa.binary(2)), "string", ["xy"]),
    (pa.array([5, None], pa.uint64()), "int64", [5, None]),
    (pa.array([1.5, None], pa.float16()), "float64", [1.5, None]),
    (pa.array([True, None]), "bool", [True, None]),
    (pa.nulls(2), "int64", [None, None]),
]


@pytest.mark.parametrize(("values", "kind", "expected"), PARQUET)
def test_parquet_of_any_type(tmp_path: Path, values: pa.Array, kind: ColumnType, expected: list[Any]) -> None:
    """What keeps its meaning is taken: units, zones, widths and encodings are the writer's business."""
    pq.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
    rows, bad = rows_of(read_parquet(str(tmp_path / "t.parquet"), {"a": ARROW_TYPES[kind]}))
    assert [row[0] for row in rows] == expected
    assert bad == []
    assert open_table(str(tmp_path / "t.parquet")).read().num_rows == len(expected)


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (pa.array([[1]]), "int64", "flatten"),
        (pa.array([{"x": 1}]), "string", "flatten"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "string", "flatten"),
        (pa.array([NOON.replace(tzinfo=None)]), "timestamp", "time zone"),
        (pa.array([1.0]), "int64", "data.columns"),
        (pa.array(["1"]), "int64", "data.columns"),
        (pa.array([Decimal("1.5")]), "int64", "data.columns"),
    ],
)
def test_parquet_that_does_not_mean_what_is_asked_for_is_told(
    tmp_path: Path, values: pa.Array, kind: ColumnType, says: str
) -> None:
    """With the column, its type and what to do; lists, structs and maps end one-file commands too."""
    pq.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
    with pytest.raises(MalformedData, match="column a is of type") as caught:
        rows_of(read_parquet(str(tmp_path / "t.parquet"), {"a": ARROW_TYPES[kind]}))
    assert says in caught.value.next_step
    if pa.types.is_nested(values.type):
        with pytest.raises(MalformedData, match="column 'a' is of type"):
            open_table(str(tmp_path / "t.parquet"))


class Counting(MemoryFileSystem):
    """A remote file system that knows how much of a file is asked for at once."""

    protocol = "counting"
    sizes: ClassVar[list[int]] = []

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("counting://")))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        opened = super()._open(path, mode, **options)
        return Counted(opened.getvalue()) if mode == "rb" else opened


class Counted(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        Counting.sizes.append(len(found))
        return found


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_of_a_remote_file_a_few_megabytes_are_asked_for_at_once(ending: str) -> None:
    """However large it is, its columns and its row groups: what is read is bounded, and read once."""
    fsspec.register_implementation("counting", Counting, clobber=True)
    table = pa.table({"a": np.arange(2_000_000), "b": np.arange(2_000_000)[::-1]})
    place = f"counting://t.{ending}"
    with fsspec.open(place, "wb") as file:
        if ending == "csv":
            pyarrow.csv.write_csv(table, file)
        else:
            pq.write_table(table, file, row_group_size=2_000_000, use_dictionary=False, compression="none")
    Counting.sizes.clear()
    types = {"a": pa.int64(), "b": pa.int64()}
    blocks = read_parquet(place, types) if ending == "parquet" else read_csv(place, CsvOptions(), types)
    assert sum(block.rows.num_rows for block in blocks) == 2_000_000
    assert max(Counting.sizes) <= 1 << 22
    assert sum(Counting.sizes) < 1.1 * fsspec.filesystem("counting").size("/t." + ending)
    fsspec.filesystem("counting").store.clear()


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (pa.array([2**63 + 5, 1], pa.uint64()), "int64", "unparsable"),
        (pa.array([2**62, 0], pa.timestamp("ms", "UTC")), "timestamp", "unparsable"),
        (pa.array([2**60, 0], pa.timestamp("us", "UTC")), "timestamp", "unparsable"),
        (pa.array([b"\xff", b"x"]), "string", "undecodable"),
        (pa.array([b"\xff", b"x"]).view(pa.string()), "string", "undecodable"),
        (pa.array([Decimal(10**19), Decimal(1)], pa.decimal128(20, 0)), "int64", "unparsable"),
    ],
)
def test_values_of_parquet_that_cannot_be_are_bad_rows(
    tmp_path: Path, values: pa.Array, kind: ColumnType, reason: str
) -> None:
    """The row beside them is kept."""
    pq.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
    rows, bad = rows_of(read_parquet(str(tmp_path / "t.parquet"), {"a": ARROW_TYPES[kind]}))
    assert (len(rows), bad) == (1, [(1, reason)])
