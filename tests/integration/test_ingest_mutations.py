"""Two hundred damaged files: each ends in rows, in quarantine or in a clear error, and no row is lost."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_data import DAY, make_data

from mlcore.errors import MlcoreError
from mlcore.ingest.quarantine import read_quarantine
from mlcore.ingest.sources import read_blocks
from mlcore.ingest.spans import SpanJob, ingest_span

CASES, SEED, MOST_SECONDS = 200, 20_130_102, 20
HEADER = ["id", "at", "name", "amount", "day", "ok", "delay"]
HOSTILE = [
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "\u202eevil",
    "a\x00b",
    "{0}%s",
]
Rows = list[list[str]]


def rows_of(random_: random.Random, count: int = 60) -> Rows:
    return [
        [str(i), "2013-01-02T10:00:00Z", random_.choice(["a", "b,c", 'd"e', "f\ng", ""]), str(random_.random()),
         "2013-01-02", "true", str(random_.randrange(60))]
        for i in range(count)
    ]  # fmt: skip


def text_of(rows: Rows, header: list[str] = HEADER) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([header, *rows])
    return buffer.getvalue().encode()


def flipped(random_: random.Random) -> bytes:
    text = bytearray(text_of(rows_of(random_)))
    for _ in range(random_.choice([1, 10, 200])):
        text[random_.randrange(len(text))] = random_.randrange(256)
    return bytes(text)


def truncated(random_: random.Random) -> bytes:
    text = text_of(rows_of(random_))
    return text[: random_.randrange(len(text))]


def wrong_types(random_: random.Random) -> bytes:
    rows = rows_of(random_)
    for row in random_.sample(rows, random_.choice([1, 5, 60])):
        row[random_.randrange(7)] = random_.choice(
            ["x", "1e999", "99999999999999999999", "2013-02-30", "-", "0x1F", "nan"]
        )
    return text_of(rows)


def hostile_names(random_: random.Random) -> bytes:
    rows = rows_of(random_)
    for row in rows:
        row[2] = random_.choice(HOSTILE)
    names = [random_.choice([name, name, name, random_.choice(HOSTILE)]) for name in HEADER]
    return text_of([[*row, "x"] for row in rows], [*names, random_.choice(HOSTILE)])


def many_columns(random_: random.Random) -> bytes:
    more = [f"c{i}" for i in range(10_000)]
    rows = [[*row, *["1"] * random_.choice([10_000, 10_000, 9_999])] for row in rows_of(random_, 20)]
    return text_of(rows, [*HEADER, *more])


def huge_cell(random_: random.Random) -> bytes:
    rows = rows_of(random_, 5)
    rows[2][2] = "x" * 50_000_000
    return text_of(rows)


def nul_bytes(random_: random.Random) -> bytes:
    text = bytearray(text_of(rows_of(random_)))
    for _ in range(random_.choice([1, 20])):
        text.insert(random_.randrange(len(text)), 0)
    return bytes(text) + b"\0" * random_.choice([0, 1000])


def mixed_encodings(random_: random.Random) -> bytes:
    lines = [
        ",".join([*row[:2], "Müller", *row[3:]]).encode(random_.choice(["utf-8", "latin-1", "utf-16-le"]))
        for row in rows_of(random_)
    ]
    return ",".join(HEADER).encode(random_.choice(["utf-8", "utf-8-sig"])) + b"\n" + b"\n".join(lines)


def mixed_zones(random_: random.Random) -> bytes:
    rows = rows_of(random_)
    for row in rows:
        row[1] = random_.choice(["2013-01-02T10:00:00"] * 3 + ["2013-01-02 10:00:00"]) + random_.choice(
            ["Z", "+02:00", "-0500", "", " Europe/Berlin", "+99:00"]
        )
    return text_of(rows)


def repeated(random_: random.Random) -> bytes:
    rows = rows_of(random_)
    return text_of(rows + random_.choices(rows, k=random_.choice([1, 40])))


def open_quotes(random_: random.Random) -> bytes:
    lines = text_of(rows_of(random_)).split(b"\r\n")
    for _ in range(random_.choice([1, 3, 40])):
        place = random_.randrange(1, len(lines))
        lines[place] = lines[place].replace(b",", b',"', 1)
    return b"\r\n".join(lines)


MUTATIONS: list[Callable[[random.Random], bytes]] = [
    flipped, truncated, wrong_types, hostile_names, nul_bytes, mixed_encodings, mixed_zones, repeated, open_quotes,
]  # fmt: skip
RARE = {50: many_columns, 100: many_columns, 150: huge_cell}


def as_lines(content: bytes) -> bytes:
    """The same damage in JSON Lines."""
    text = content.decode("utf-8", "surrogateescape")
    objects = [dict(zip(HEADER, row, strict=False)) for row in csv.reader(io.StringIO(text.replace("\0", "")))]
    for each in objects:
        for name in ("id", "amount", "delay"):
            each[name] = json.loads(each[name]) if each.get(name, "x").replace(".", "", 1).isdigit() else each.get(name)
        each["ok"] = True
    return "\n".join(json.dumps(each, ensure_ascii=False) for each in objects[1:]).encode("utf-8", "surrogateescape")


def typed(random_: random.Random) -> pa.Table:
    """The rows as Parquet has them, in their own types."""
    rows = rows_of(random_)
    kinds = [pa.int64(), pa.timestamp("us", "UTC"), pa.string(), pa.float64(), pa.date32(), pa.bool_(), pa.int64()]
    columns = [pa.array(list(column)).cast(kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    return pa.table(columns, names=HEADER)


def retyped(random_: random.Random) -> pa.Table:
    """Some columns in another type, which holds their values or does not."""
    table = typed(random_)
    moments = [pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("ms", "-05:00"), pa.timestamp("us"), pa.date64()]
    for index in random_.sample(range(7), random_.choice([1, 2])):
        kinds = moments if index == 1 else [pa.string(), pa.large_string(), pa.int8(), pa.uint64(), pa.decimal128(9, 1)]
        with contextlib.suppress(pa.ArrowException):
            table = table.set_column(index, HEADER[index], table[index].cast(random_.choice(kinds)))
    return table


def undecodable(random_: random.Random) -> pa.Table:
    """Text of several encodings, with zero bytes in it."""
    texts = [random_.choice([b"M\xfcller", "Müller".encode(), b"a\0b", b"", b"\xff\xfe"]) for _ in range(60)]
    table = typed(random_)
    return table.set_column(2, "name", pa.array(texts).view(pa.string()) if random_.random() < 0.7 else pa.array(texts))


def renamed(random_: random.Random) -> pa.Table:
    names = [random_.choice([name, name, name, random_.choice(HOSTILE)]) for name in HEADER]
    return typed(random_).rename_columns(names)


def many(random_: random.Random) -> pa.Table:
    """10,000 columns, or a cell of 50 MB."""
    table = typed(random_)
    if random_.random() < 0.5:
        names = [*HEADER, *(f"c{i}" for i in range(10_000))]
        return pa.table([*table.columns, *[table["id"]] * 10_000], names=names)
    return table.set_column(2, "name", pa.array(["x" * 50_000_000, *["y"] * 59]))


def as_parquet(random_: random.Random, *, rare: bool) -> bytes:
    """A file that is damaged in its types or names, and every other one in its bytes as well."""
    table = many(random_) if rare else random_.choice([typed, retyped, undecodable, renamed])(random_)
    with contextlib.suppress(pa.ArrowException):
        table = pa.concat_tables([table, table.slice(0, random_.choice([0, 0, 9]))])
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=random_.choice([7, 1000]), compression=random_.choice(["none", "zstd"]))
    content = bytearray(sink.getvalue())
    damage = random_.choice(["none", "none", "flipped", "truncated"])
    if damage == "flipped":
        for _ in range(random_.choice([1, 10, 200])):
            content[random_.randrange(len(content))] = random_.randrange(256)
    return bytes(content[: random_.randrange(len(content))] if damage == "truncated" else content)


def case(number: int, folder: Path) -> tuple[Path, str]:
    """The file of a case, and the type of its source."""
    random_ = random.Random(SEED + number)
    if number % 4 == 3:
        path = folder / "day.parquet"
        path.write_bytes(as_parquet(random_, rare=number % 100 == 99))
        return path, "parquet"
    content = RARE.get(number, MUTATIONS[number % len(MUTATIONS)])(random_)
    kind, name = "csv", "day.csv"
    if number not in RARE and number % 4 == 1:
        with contextlib.suppress(csv.Error, ValueError):  # what is too damaged to be made JSON stays CSV
            content, kind, name = as_lines(content), "json_lines", "day.jsonl"
    if number % 5 == 0:
        content, name = gzip.compress(content, 1), f"{name}.gz"
    elif number % 5 == 1:
        content, name = pa.compress(content, codec="zstd", asbytes=True), f"{name}.zst"
    if number % 20 in (10, 11):  # the compressed bytes are damaged
        damaged = bytearray(content)
        damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
        content = bytes(damaged[: random_.choice([len(damaged), len(damaged) // 2])])
    path = folder / name
    path.write_bytes(content)
    return path, kind


def check_told(error: MlcoreError, number: int) -> None:
    assert all((error.what, error.where, error.next_step)), number
    assert len(str(error)) < 5_000, number


def outcome(number: int, folder: Path) -> str:
    path, kind = case(number, folder)
    data = make_data(source={"type": kind, "path": "x"}, max_bad_fraction=0.999)
    try:
        done = ingest_span(SpanJob(span=DAY, path=path, folder=folder), data)
    except MlcoreError as error:
        check_told(error, number)
        return "error"
    bad = read_quarantine(folder)
    blocks = list(read_blocks(data, path, DAY))
    assert done.rows + len(bad) == sum(block.total for block in blocks), number
    assert sum(done.quarantined.values()) == len(bad), number
    lines = [line for block in blocks for line in [*block.lines.tolist(), *(row.line for row in block.bad)]]
    assert len(lines) == len(set(lines)), number
    return "quarantined" if bad else "accepted"


@pytest.mark.parametrize("part", range(10))
def test_a_damaged_file_ends_in_rows_quarantine_or_a_clear_error(part: int, tmp_path: Path) -> None:
    """Counts add up, no line is told twice, and no case takes long."""
    found = set()
    for number in range(part, CASES, 10):
        folder = tmp_path / str(number)
        folder.mkdir()
        started = time.process_time()
        found.add(outcome(number, folder))
        assert time.process_time() - started < MOST_SECONDS, number
    assert len(found) > 1, "the cases of a part must not all end alike"
