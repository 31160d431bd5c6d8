"""Ingesting a PostgreSQL table: ours against psql's own COPY followed by Arrow's parse of the same bytes.

    python benchmarks/postgres.py [--rows 5000000] [--spans 60] [--writers]

The peer does less: it neither divides the rows into spans, nor sorts, digests or stores them, and what it holds in the
end is the whole table in memory. With ``--writers`` a writer inserts and updates all the time, and the rows read are
checked against an invariant that every transaction of it keeps.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2

from mlcore.platform.keeper import programs
from mlcore.platform.postgres import EmbeddedPostgres

START = datetime(2024, 1, 1, tzinfo=UTC)
TABLE = """
    CREATE TABLE events AS SELECT
        g::int8 AS id,
        timestamptz '2024-01-01 00:00+00' + (g::int8 * 7919 % ({spans} * 86400)) * interval '1 second' AS at,
        CASE WHEN g % 2 = 0 THEN 1 ELSE -1 END AS half,
        'carrier ' || g % 16 AS carrier, 'N' || g % 4000 AS tailnum, (g * 31 % 5000)::int4 AS flight,
        date '2024-01-01' + g % 365 AS day, random() * 2500 AS distance, (random() * 1000)::numeric(10, 2) AS fare,
        CASE WHEN g % 20 <> 0 THEN random() * 100 END AS temperature, random() * 360 AS wind,
        (g * 17 % 1440)::int4 AS minute, g % 7 = 0 AS delayed, CASE WHEN g % 50 <> 0 THEN g % 300 - 30 END AS delay
    FROM generate_series(1, {rows}) AS g
"""
COLUMNS = {
    "id": "int64", "at": "timestamp", "half": "int64", "carrier": "string", "tailnum": "string", "flight": "int64",
    "day": "date", "distance": "float64", "fare": "decimal", "temperature": "float64", "wind": "float64",
    "minute": "int64", "delayed": "bool", "delay": "int64",
}  # fmt: skip


def ours(url: str, folder: str, spans: int) -> dict[str, object]:
    """Ingest all spans; what came of it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from mlcore.config.sources import PostgresSource
    from mlcore.core.window import Span
    from mlcore.ingest.postgres.address import address_of
    from mlcore.ingest.postgres.extract import Request, extract

    source = PostgresSource(type="postgres", url="${DB}", table="events")
    days = tuple(
        Span(start=START + timedelta(days=number), end=START + timedelta(days=number + 1)) for number in range(spans)
    )
    request = Request(
        source=source,
        address=address_of(source, {"DB": url}),
        columns=types(),
        event_timestamp="at",
        key=("id",),
        spans=days,
    )
    measured = Measured()
    result = extract(request, Path(folder) / "spans")
    seen = measured.seen()
    halves = sum(pc.sum(pa.ipc.open_file(str(span.path)).read_all()["half"]).as_py() for span in result.spans)
    return seen | {"rows": sum(span.rows for span in result.spans), "sum of halves": halves}


def peer(url: str, folder: str, spans: int) -> dict[str, object]:
    """The COPY of psql to a file, and Arrow's parse of it."""
    import pyarrow.csv as csv

    path = Path(folder) / "rows.csv"
    measured = Measured()
    with path.open("wb") as file:
        command = [str(programs() / "psql"), url, "-qXc", "SET TimeZone = 'UTC'"]
        subprocess.run([*command, "-c", "COPY events TO STDOUT (FORMAT csv)"], stdout=file, check=True)
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=list(COLUMNS), use_threads=False),
        convert_options=csv.ConvertOptions(column_types=types(), true_values=["t"], false_values=["f"]),
    )
    return measured.seen() | {"rows": table.num_rows, "megabytes of CSV": path.stat().st_size / 1e6}


def types() -> dict[str, object]:
    import pyarrow as pa

    arrow = {
        "int64": pa.int64(), "timestamp": pa.timestamp("us", tz="UTC"), "string": pa.string(), "date": pa.date32(),
        "float64": pa.float64(), "decimal": pa.decimal128(10, 2), "bool": pa.bool_(),
    }  # fmt: skip
    return {name: arrow[kind] for name, kind in COLUMNS.items()}


class Measured:
    """CPU seconds, wall seconds and peak memory of this process and its children, imports left out of the CPU."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), self._used()

    def _used(self) -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in used)

    def seen(self) -> dict[str, object]:
        return {
            "CPU s": self._used() - self._cpu,
            "wall s": time.perf_counter() - self._wall,
            "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def alone(what: str, url: str, spans: int) -> dict[str, float]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        command = [sys.executable, __file__, "--only", what, "--url", url, "--folder", folder, "--spans", str(spans)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{what:5}", ", ".join(f"{key} {value:.1f}" for key, value in found.items()))
    return found


@contextlib.contextmanager
def writing(url: str, rows: int) -> Iterator[list[int]]:
    """A writer whose every transaction keeps the sum of ``half`` at zero."""
    stop, done = threading.Event(), [0]

    def write() -> None:
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            while not stop.is_set():
                done[0] += 1
                number = rows + 2 * done[0]
                cursor.execute(
                    "INSERT INTO events (id, at, half) SELECT id + %s, at, half FROM events WHERE id IN (1, 2)",
                    (number,),
                )
                pair = (number * 7 // 2 * 2 % rows + 1, number * 7 // 2 * 2 % rows + 2)
                cursor.execute("UPDATE events SET half = -half WHERE id IN (%s, %s)", pair)
                connection.commit()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--spans", type=int, default=60)
    parser.add_argument("--writers", action="store_true")
    parser.add_argument("--only", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run = ours if options.only == "ours" else peer
        print(json.dumps(run(options.url, options.folder, options.spans)))
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as home:
        server = EmbeddedPostgres(Path(home))
        server.start()
        try:
            compare(server.url("postgres").replace("+psycopg2", ""), options)
        finally:
            server.stop()


def compare(url: str, options: argparse.Namespace) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(TABLE.format(rows=options.rows, spans=options.spans))
        cursor.execute("ALTER TABLE events ADD PRIMARY KEY (id)")
    if options.writers:
        with writing(url, options.rows) as done:
            alone("ours", url, options.spans)
        print(f"the writer committed {done[0]} transactions meanwhile")
        return
    them, us = alone("peer", url, options.spans), alone("ours", url, options.spans)
    print(f"CPU {us['CPU s'] / them['CPU s']:.2f}x the peer's, peak memory {us['peak MB'] / them['peak MB']:.2f}x")


if __name__ == "__main__":
    main()
