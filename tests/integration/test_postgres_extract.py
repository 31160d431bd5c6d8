from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.postgres_source import days, make_request, own_server, rows_of, run

from mlcore.errors import ConfigError, DataError
from mlcore.ingest.postgres import extract as extracting
from mlcore.ingest.postgres import plan as planning
from mlcore.ingest.postgres import stage as staging
from mlcore.ingest.postgres.connection import SourceUnavailable
from mlcore.ingest.postgres.extract import count_spans, extract

ROWS = 300_000
EVENTS = f"""
    CREATE TABLE {{table}} AS
    SELECT g::int8 AS id, timestamptz '2024-01-01 00:00+00' + (g::int8 * 7919 % 864000) * interval '1 second' AS at,
        CASE g % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'n' || g % 1000 END AS name, g::numeric(12, 2) / 7 AS amount
    FROM generate_series(1, {ROWS}) AS g
"""


@pytest.fixture(scope="module")
def server_url(postgres_url: str) -> Iterator[str]:
    """A database with one table: with a primary key, without, as a view, and in partitions."""
    run(postgres_url, "CREATE DATABASE source_rows")
    url = postgres_url.replace("/postgres?", "/source_rows?")
    run(url, EVENTS.format(table="keyless"), EVENTS.format(table="keyed"), "ALTER TABLE keyed ADD PRIMARY KEY (id)")
    run(
        url,
        "CREATE VIEW seen AS SELECT * FROM keyed",
        "CREATE TABLE parted (LIKE keyed, PRIMARY KEY (id)) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (100000)",
        "CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100000) TO (MAXVALUE)",
        "INSERT INTO parted SELECT * FROM keyed",
    )
    yield url
    run(postgres_url, "DROP DATABASE source_rows WITH (FORCE)")


def expected(url: str, table: str = "keyed") -> list[tuple[object, ...]]:
    return run(url, f"SELECT id, at, name FROM {table} ORDER BY date_trunc('day', at AT TIME ZONE 'UTC'), id")


def got(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(table[name].to_pylist() for name in ("id", "at", "name")), strict=True))


def test_every_row_is_read_once_into_its_span_in_order(server_url: str, tmp_path: Path) -> None:
    """Spans hold exactly the rows of the table, sorted by the key, NULL apart from the empty string."""
    result = extract(make_request(server_url, table="keyed"), tmp_path / "x")
    table = rows_of(result)
    assert got(table) == expected(server_url)
    assert result.attempts == 1
    for span in result.spans:
        moments = pa.ipc.open_file(str(span.path)).read_all()["at"]
        assert span.span.start <= pc.min(moments).as_py() <= pc.max(moments).as_py() < span.span.end
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [f"{day.label}.arrow" for day in days(10)]


@pytest.mark.parametrize(
    "source",
    [{"table": "keyless"}, {"table": "seen"}, {"table": "parted"}, {"query": "SELECT * FROM keyed -- all of it"}],
    ids=str,
)
@pytest.mark.parametrize("bounds", ["usual", "small"])
def test_the_digest_is_that_of_the_rows(
    server_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, str], bounds: str
) -> None:
    """Pages, one stream, server-sorted spans, few connections or many, spilled or not: the same rows, one digest."""
    known = extract(make_request(server_url, table="keyed"), tmp_path / "known")
    if bounds == "small":
        monkeypatch.setattr(planning, "PART_ROWS", 20_000)
        monkeypatch.setattr(planning, "ORDERED_ROWS", 29_000)
        monkeypatch.setattr(staging, "PENDING_BYTES", 1 << 20)
    other = extract(make_request(server_url, **source, connections=3), tmp_path / "other")
    assert [(span.rows, span.digest) for span in other.spans] == [(span.rows, span.digest) for span in known.spans]


def test_one_pass_reads_many_spans(server_url: str, tmp_path: Path) -> None:
    """A window of many spans of a table without an index costs one scan for counting and one for reading."""

    def scans() -> int:
        run(server_url, "SELECT pg_stat_force_next_flush()")
        time.sleep(0.1)
        seen = run(server_url, "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'keyless'")
        return int(seen[0][0])

    hours = tuple(days(240, (days(1)[0].end - days(1)[0].start) / 24))
    before = scans()
    result = extract(make_request(server_url, table="keyless", spans=hours, connections=1), tmp_path / "x")
    assert sum(span.rows for span in result.spans) == ROWS
    assert scans() - before <= 3


def test_spans_may_be_few_empty_and_apart(server_url: str, tmp_path: Path) -> None:
    """Only the spans asked for are read; one without rows has an empty file and a digest."""
    asked = (days(20)[2], days(20)[5], days(20)[15])
    result = extract(make_request(server_url, table="keyed", spans=asked), tmp_path / "x")
    counts = run(server_url, "SELECT count(*) FROM keyed WHERE at::date IN ('2024-01-03', '2024-01-06')")
    assert [bool(span.rows) for span in result.spans] == [True, True, False]
    assert rows_of(result).num_rows == counts[0][0]
    assert result.spans[2].digest.startswith("sha256:")


def test_one_snapshot_while_others_write(server_url: str, tmp_path: Path) -> None:
    """While rows are moved, added and removed all the time, what is read is the table of one moment."""
    run(
        server_url,
        "CREATE TABLE busy (id int8 PRIMARY KEY, at timestamptz, half int8, name text, amount numeric(12, 2))",
        "INSERT INTO busy SELECT id, at, CASE WHEN id % 2 = 0 THEN 1 ELSE -1 END, name, amount FROM keyed",
    )
    stop = threading.Event()
    written = []

    def write() -> None:
        with psycopg2.connect(server_url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            number = ROWS + 1000
            while not stop.is_set():
                number += 2
                # Each transaction keeps the sum of half at zero, and swaps two rows' halves.
                cursor.execute("INSERT INTO busy SELECT %s, at, 5, name, 0 FROM keyed WHERE id = 1", (number,))
                cursor.execute("INSERT INTO busy SELECT %s, at, -5, name, 0 FROM keyed WHERE id = 2", (number + 1,))
                pair = (number % 1000 + 1, number % 1000 + 2)
                cursor.execute("UPDATE busy SET half = -half WHERE id IN (%s, %s)", pair)
                cursor.execute("DELETE FROM busy WHERE id IN (%s, %s)", (number - 20, number - 19))
                connection.commit()
                written.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for attempt in range(2):
            before = len(written)
            table = rows_of(extract(make_request(server_url, table="busy", connections=4), tmp_path / str(attempt)))
            assert len(written) > before
            assert pc.sum(table["half"]).as_py() == 0
            assert pc.count_distinct(table["id"]).as_py() == table.num_rows
    finally:
        stop.set()
        writer.join()


def test_a_server_restarted_in_the_middle_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_ctl restart -m immediate while rows arrive: all is read again from a new snapshot, exactly."""
    with own_server() as server:
        run(server.url, EVENTS.format(table="keyed"), "CHECKPOINT")
        restarted = threading.Event()
        add = staging.Stage.add

        def add_and_restart(stage: staging.Stage, rows: pa.RecordBatch) -> None:
            add(stage, rows)
            if not restarted.is_set():
                restarted.set()
                server.control("restart", "-m", "immediate")

        monkeypatch.setattr(staging.Stage, "add", add_and_restart)
        result = extract(make_request(server.url, table="keyed", partition_by="id"), tmp_path / "x")
        assert result.attempts > 1
        assert got(rows_of(result)) == expected(server.url)


def test_a_server_that_stays_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tries are bounded, and the error says how often, where and what to do."""
    monkeypatch.setattr(extracting, "_PAUSES_SECONDS", (0.01, 0.01))
    request = make_request("postgresql://me:pass-word@127.0.0.1:1/sales", table="t")
    with pytest.raises(SourceUnavailable, match="tried 3 times") as raised:
        extract(request, tmp_path / "x")
    assert "pass-word" not in str(raised.value)
    assert raised.value.where == "postgresql://me@127.0.0.1:1/sales"


def test_marks_change_with_the_rows(server_url: str) -> None:
    """A mark differs exactly for the spans whose rows changed, with a hash of rows and with updated_at."""
    run(
        server_url,
        "CREATE TABLE marked AS SELECT *, at AS changed, '{}'::json AS extra FROM keyed WHERE id <= 1000",
        "INSERT INTO marked (id) VALUES (0)",
    )
    for options in ({}, {"updated_at": "changed"}):
        request = make_request(server_url, table="marked", **options)
        before = count_spans(request)
        assert before == count_spans(request)
        assert before.undated == 1
        run(server_url, "UPDATE marked SET amount = amount + 1, changed = now() WHERE id = 10")
        day = run(server_url, "SELECT extract(day FROM at AT TIME ZONE 'UTC')::int - 1 FROM marked WHERE id = 10")[0][0]
        after = count_spans(request)
        changed = [old.mark != new.mark for old, new in zip(before.spans, after.spans, strict=True)]
        assert changed == [index == day for index in range(10)]


def test_what_is_wrong_is_told(server_url: str, tmp_path: Path) -> None:
    """A missing table, a wrong query, a column of the wrong kind: the database's words and the key to correct."""
    for source, told in (
        ({"table": "nobody"}, 'relation "nobody" does not exist'),
        ({"query": "SELEC 1"}, "syntax error"),
        ({"query": "WITH x AS (DELETE FROM keyed RETURNING *) SELECT * FROM x"}, "data-modifying statement"),
        ({"table": "keyed", "partition_by": "name"}, "is no integer"),
        ({"table": "keyed", "updated_at": "name"}, "is no timestamp"),
        ({"table": "keyed", "partition_by": "nope"}, "there is no column 'nope'"),
    ):
        with pytest.raises((ConfigError, DataError), match=told):
            extract(make_request(server_url, **source), tmp_path / "x")
    assert run(server_url, "SELECT count(*) FROM keyed")[0][0] == ROWS
