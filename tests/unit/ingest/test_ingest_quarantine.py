from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingested import read_span
from support.small_data import DAY, make_data

from mlcore.errors import ArtifactCorrupt, MalformedData
from mlcore.ingest.blocks import Reason
from mlcore.ingest.examples import read_examples
from mlcore.ingest.quarantine import FILE_NAME, read_quarantine
from mlcore.ingest.spans import Ingested, SpanJob, ingest_span

HEADER = "id,at,name,amount,day,ok,delay"
GOOD = [f"{i},2013-01-02T10:00:00Z,a,1.5,2013-01-02,true,16" for i in range(20)]
BAD = {
    "ragged": "50,2013-01-02T10:00:00Z,a",
    "undecodable": "51,2013-01-02T10:00:00Z,\udcff,1.5,2013-01-02,true,16",
    "unparsable": "52,2013-01-02T10:00:00Z,a,much,2013-01-02,true,16",
    "missing_key": ",2013-01-02T10:00:00Z,a,1.5,2013-01-02,true,16",
    "outside_span": "53,2013-01-03T00:00:00Z,a,1.5,2013-01-02,true,16",
    "duplicate_key": GOOD[3],
}


def ingest(folder: Path, lines: list[str], most: float, **source: Any) -> Ingested:
    path = folder / "day.csv"
    path.write_bytes("\n".join([HEADER, *lines]).encode("utf-8", "surrogateescape"))
    data = make_data(max_bad_fraction=most)
    data = data.model_copy(update={"source": data.source.model_copy(update=source)})
    return ingest_span(SpanJob(span=DAY, path=path, folder=folder), data)


def test_every_bad_row_is_kept_with_its_place_and_reason(tmp_path: Path) -> None:
    """Rows of the file are those accepted and those in quarantine, each with its line, reason and text."""
    lines = [*GOOD[:10], *BAD.values(), *GOOD[10:]]
    done = ingest(tmp_path, lines, 0.5)
    assert done.quarantined == dict.fromkeys(sorted(BAD), 1)
    rows = read_quarantine(tmp_path)
    assert done.rows + len(rows) == len(lines)
    assert {row.reason.value for row in rows} == set(BAD)
    assert {row.file for row in rows} == {"day.csv"}
    ragged = next(row for row in rows if row.reason is Reason.RAGGED)
    assert (ragged.line, ragged.text) == (lines.index(BAD["ragged"]) + 2, BAD["ragged"])
    assert sorted(read_examples([tmp_path])["id"].to_pylist()) == list(range(20))


@pytest.mark.parametrize("reason", sorted(BAD))
def test_no_bad_row_is_let_through_where_none_may_be(tmp_path: Path, reason: str) -> None:
    """By default any bad row stops the run, with its line."""
    with pytest.raises(MalformedData) as caught:
        ingest(tmp_path, [*GOOD, BAD[reason]], 0.0)
    assert caught.value.where.endswith(":22")
    assert not (tmp_path / FILE_NAME).exists()


def test_an_infinite_amount_is_no_label(tmp_path: Path) -> None:
    """Of a regression: no error and no interval could be made with it. Whether it is above something can be told."""
    lines = [*GOOD, "60,2013-01-02T10:00:00Z,a,-inf,2013-01-02,true,16"]
    (tmp_path / "day.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    job = SpanJob(span=DAY, path=tmp_path / "day.csv", folder=tmp_path)
    with pytest.raises(MalformedData, match="the outcome amount is -inf, which is no amount") as caught:
        ingest_span(job, make_data(label={"name": "paid", "column": "amount"}))
    assert caught.value.where.endswith(":22")
    assert ingest_span(job, make_data(label={"name": "much", "column": "amount", "above": 15})).labelled == 21


def test_too_many_bad_rows_stop_the_run(tmp_path: Path) -> None:
    """Above the fraction the run stops, with counts by reason and the first row's place."""
    lines = [*GOOD, *BAD.values()]
    with pytest.raises(MalformedData, match="6 of 26 rows are bad") as caught:
        ingest(tmp_path, lines, 0.2)
    assert "1 ragged" in caught.value.what
    assert caught.value.where.endswith(":22")
    assert ingest(tmp_path, lines, 0.24).rows == 20


def test_good_rows_leave_no_quarantine(tmp_path: Path) -> None:
    """There is no file where there are no bad rows, and what is no Parquet is told."""
    assert ingest(tmp_path, GOOD, 0.5).quarantined == {}
    assert read_quarantine(tmp_path) == ()
    (tmp_path / FILE_NAME).write_bytes(b"x")
    with pytest.raises(ArtifactCorrupt):
        read_quarantine(tmp_path)


def test_the_raw_text_is_bounded(tmp_path: Path) -> None:
    """A huge bad row does not make a huge quarantine."""
    ingest(tmp_path, [*GOOD, "x" * 3_000_000], 0.5)
    (row,) = read_quarantine(tmp_path)
    assert len(row.text) <= 500


def test_formats_give_one_digest(tmp_path: Path) -> None:
    """Equal rows are equal Examples, byte by byte, whatever format they came in."""
    found = set()
    text = "\n".join([HEADER, *GOOD])
    columns = dict(zip(HEADER.split(","), zip(*(row.split(",") for row in GOOD), strict=True), strict=True))
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    typed = [
        {**row, "id": int(row["id"]), "amount": float(row["amount"]), "ok": True, "delay": int(row["delay"])}
        for row in rows
    ]
    lines = "\n".join(map(json.dumps, typed)).encode()
    table = read_span(make_data(), _written(tmp_path / "a.csv", text.encode()), DAY).drop_columns("late")
    pq.write_table(table, tmp_path / "a.parquet")
    for source, path in (
        ({"type": "csv", "path": "x"}, tmp_path / "a.csv"),
        ({"type": "csv", "path": "x"}, _written(tmp_path / "a.csv.gz", gzip.compress(text.encode()))),
        ({"type": "csv", "path": "x", "quote": ""}, _written(tmp_path / "b.csv", text.replace("\n", "\r\n").encode())),
        (
            {"type": "json_lines", "path": "x"},
            _written(tmp_path / "a.jsonl", lines),
        ),
        ({"type": "parquet", "path": "x"}, tmp_path / "a.parquet"),
    ):
        ingest_span(SpanJob(span=DAY, path=path, folder=tmp_path), make_data(source=source))
        found.add((tmp_path / "data.parquet").read_bytes())
    assert len(found) == 1


def test_bad_lines_of_json_are_quarantined(tmp_path: Path) -> None:
    """What is no object, or holds a value of another type, is a bad row with its line."""
    good = {
        "id": 1,
        "at": "2013-01-02T10:00:00Z",
        "name": "a",
        "amount": 2,
        "day": "2013-01-02",
        "ok": True,
        "delay": 1,
    }
    lines = [json.dumps(good), "[1]", "{", json.dumps(good | {"id": "1"}), "", json.dumps(good | {"id": 2, "ok": None})]
    path = _written(tmp_path / "a.jsonl", "\n".join(lines).encode() + b'\n{"name": "\xff"}\n')
    data = make_data(source={"type": "json_lines", "path": "x"}, max_bad_fraction=0.9)
    assert ingest_span(SpanJob(span=DAY, path=path, folder=tmp_path), data).rows == 2
    found = [(row.line, row.reason.value) for row in read_quarantine(tmp_path)]
    assert found == [(2, "unparsable"), (3, "unparsable"), (4, "unparsable"), (7, "undecodable")]


def test_a_value_that_does_not_fit_is_a_bad_row_of_parquet(tmp_path: Path) -> None:
    """Wider types are narrowed where values fit; a type of another kind is an error of the whole file."""
    table = read_span(make_data(), _written(tmp_path / "a.csv", "\n".join([HEADER, *GOOD]).encode()), DAY)
    ids = pa.array([2**63 + 1, *range(1, 20)], pa.uint64())
    pq.write_table(table.set_column(1, "id", ids), tmp_path / "a.parquet")
    data = make_data(source={"type": "parquet", "path": "x"}, max_bad_fraction=0.5)
    job = SpanJob(span=DAY, path=tmp_path / "a.parquet", folder=tmp_path)
    assert ingest_span(job, data).rows == 19
    assert [(row.line, row.column) for row in read_quarantine(tmp_path)] == [(1, "id")]
    pq.write_table(table.set_column(1, "id", ids.cast(pa.string())), tmp_path / "a.parquet")
    with pytest.raises(MalformedData, match="column id is of type string in the file and int64"):
        ingest_span(job, data)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
