"""Columns of type decimal(p,s): exact from every source to Parquet and back; what does not fit is a bad row."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from support.small_data import DAY, make_data

from mlcore.config.data import Data
from mlcore.ingest.examples import read_examples
from mlcore.ingest.keys import key_hashes
from mlcore.ingest.quarantine import read_quarantine
from mlcore.ingest.spans import SpanJob, ingest_span
from mlcore.ingest.splits import for_evaluation

COLUMNS = {"id": "int64", "at": "timestamp", "fare": "decimal(10, 2)", "wide": "decimal(60,20)"}
AT = "2013-01-02T10:00:00Z"
EXACT = ["0.10", "99999999.99", "-99999999.99", "0", "12345678.9"]
WIDE = ["0.12345678901234567890", "1234567890123456789012345678901234567890.5", "-1", "0", "1"]
TOO_MUCH = {"0.105": "two digits", "100000000": "eight digits", "x": "no number"}


def data_of(source: str, **changes: Any) -> Data:
    where = {"path": "x"} if source != "postgres" else {"table": "t", "url": "postgresql://h/d"}
    section = {"source": {"type": source, **where}, "columns": COLUMNS, "key": ["id", "at"], "max_bad_fraction": 0.9,
               "label": {"name": "late", "column": "fare", "above": 0.1}}  # fmt: skip
    return make_data(**section | changes)


def written(source: str, folder: Path, fares: list[str], wides: list[str]) -> Path:
    path = folder / "file"
    rows = [[number, AT, fare, wide] for number, (fare, wide) in enumerate(zip(fares, wides, strict=True))]
    if source == "csv":
        path.write_text("\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]))
    elif source == "json_lines":
        texts = [f'{{"id": {id_}, "at": "{at}", "fare": {fare}, "wide": "{wide}"}}' for id_, at, fare, wide in rows]
        path.write_text("\n".join(texts).replace(": x", ': "x"'))
    else:  # what is kept of a table of numeric columns that declare no precision
        kinds = [pa.int64(), pa.timestamp("us", "UTC"), pa.string(), pa.string()]
        columns = [pa.array(column).cast(kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("source", ["csv", "json_lines", "postgres"])
def test_decimals_are_exact_and_what_does_not_fit_is_a_bad_row(tmp_path: Path, source: str) -> None:
    """Every digit comes back from the Examples, and no digit is rounded away in silence."""
    path = written(source, tmp_path, [*EXACT, *TOO_MUCH], [*WIDE, "1", "2", "3"])
    done = ingest_span(SpanJob(span=DAY, path=path, folder=tmp_path), data_of(source))
    assert done.quarantined == {"unparsable": 3}
    table = read_examples([tmp_path])
    assert table.schema.field("fare").type == pa.decimal128(10, 2)
    assert table.schema.field("wide").type == pa.decimal256(60, 20)
    assert table["fare"].to_pylist() == [Decimal(text) for text in EXACT]
    assert table["wide"].to_pylist() == [Decimal(text) for text in WIDE]
    assert table["late"].to_pylist() == [0, 1, 0, 0, 1]
    bad = read_quarantine(tmp_path)
    assert {row.column for row in bad} == {"fare"}
    assert all("at most 10 digits, 2 of them behind the point" in row.message for row in bad)
    if source == "postgres":
        assert [row.place for row in bad] == [f"id={number}, at={AT}" for number in (5, 6, 7)]


@pytest.mark.parametrize(
    "given",
    [
        pa.array([Decimal("1.5"), None, Decimal("1.55555")], pa.decimal128(20, 5)),
        pa.array([2, None, 10**12], pa.int64()),
        pa.array([Decimal(3), None, Decimal(10**40)], pa.decimal256(50, 0)),
    ],
)
def test_parquet_gives_decimals_of_other_widths(tmp_path: Path, given: pa.Array) -> None:
    """Numbers of another scale and whole numbers are taken where they fit."""
    moments = pa.array([DAY.start] * 3, pa.timestamp("us", "UTC"))
    table = pa.table({"id": [1, 2, 3], "at": moments, "fare": given, "wide": pa.array([1, 2, 3])})
    pq.write_table(table, tmp_path / "file.parquet")
    job = SpanJob(span=DAY, path=tmp_path / "file.parquet", folder=tmp_path)
    assert ingest_span(job, data_of("parquet")).quarantined == {"unparsable": 1}
    assert read_examples([tmp_path])["fare"].to_pylist() == given.slice(0, 2).to_pylist()


def test_a_json_number_keeps_its_digits_where_a_line_is_bad(tmp_path: Path) -> None:
    """Read line by line, a number is not first made a float."""
    lines = [json.dumps({"id": 1, "at": AT})[:-1] + ', "fare": 1.10, "wide": 0.12345678901234567890}', "{"]
    (tmp_path / "file").write_text("\n".join(lines))
    ingest_span(SpanJob(span=DAY, path=tmp_path / "file", folder=tmp_path), data_of("json_lines"))
    assert read_examples([tmp_path])["wide"].to_pylist() == [Decimal("0.12345678901234567890")]


def test_decimals_may_be_keys() -> None:
    """They are told apart, and equal numbers of different scales are on one side of a split."""
    texts = ["1.50", "-0.10", "0.00", "120.00"]
    hashes, sides = [], []
    for kind in (pa.decimal128(10, 2), pa.decimal256(50, 4)):
        rows = pa.record_batch({"a": pa.array([Decimal(text) for text in texts]).cast(kind)})
        hashes.append(key_hashes(rows, ["a"]).tolist())
        sides.append([for_evaluation(rows, ["a"], share / 50).tolist() for share in range(50)])
    assert sides[0] == sides[1]
    assert len(set(hashes[0])) == len(texts)


@pytest.mark.parametrize("kind", ["decimal", "decimal(0,0)", "decimal(77,0)", "decimal(3,4)", "decimal(a,b)", "money"])
def test_a_type_that_is_none_is_told(kind: str) -> None:
    """The message says what there is."""
    with pytest.raises(ValidationError, match=r"or 'decimal\(p,s\)' of p digits"):
        data_of("csv", columns=COLUMNS | {"fare": kind})
