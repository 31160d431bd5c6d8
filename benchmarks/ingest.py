"""Ingesting one span of many rows: CPU and peak memory by rows and source, against Arrow copying the file to Parquet.

    python benchmarks/ingest.py [--rows 1000000 5000000] [--sources csv parquet extract] [--bad 0]

The peer streams the file into a Parquet file and does no more: no row is checked, no repeated key found, nothing
labelled, no bad row kept. An extract is what is kept of a span of a PostgreSQL table. ``--bad`` is the share of rows
that are bad: half of them cannot be read (in CSV), half repeat a key.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

PIECE_ROWS = 100_000
DAY_SECONDS = 86_400
COLUMNS = {
    "id": "int64", "at": "timestamp", "carrier": "string", "tailnum": "string", "flight": "int64", "day": "date",
    "distance": "float64", "temperature": "float64", "wind": "float64", "minute": "int64", "delayed": "bool",
    "delay": "int64",
}  # fmt: skip


def pieces(rows: int, bad: float) -> Iterator[pa.RecordBatch]:
    """Rows of the second of January 2024, the same every time."""
    for start in range(0, rows, PIECE_ROWS):
        number = np.arange(start, min(start + PIECE_ROWS, rows))
        random = np.random.default_rng(start)
        moments = 1_704_153_600_000_000 + number * 7919 % DAY_SECONDS * 1_000_000
        repeats = random.random(len(number)) < bad / 2
        columns = {
            "id": pa.array(np.where(repeats & (number > 0), number - 1, number)),
            "at": pa.array(np.where(repeats, np.roll(moments, 1), moments)).cast(pa.timestamp("us", tz="UTC")),
            "carrier": pa.array([f"carrier {value}" for value in (number % 16).tolist()]),
            "tailnum": pa.array([f"N{value}" for value in (number * 31 % 4000).tolist()]),
            "flight": pa.array(number * 31 % 5000),
            "day": pa.array((19_723 + number % 365).astype(np.int32)).cast(pa.date32()),
            "distance": pa.array(random.random(len(number)) * 2500),
            "temperature": pa.array(random.random(len(number)) * 100, mask=number % 20 == 0),
            "wind": pa.array(random.random(len(number)) * 360),
            "minute": pa.array(number * 17 % 1440),
            "delayed": pa.array(number % 7 == 0),
            "delay": pa.array(number % 300 - 30, mask=number % 50 == 0),
        }
        yield pa.record_batch(columns)


def write(source: str, path: Path, rows: int, bad: float) -> None:
    """The file of the span."""
    made = pieces(rows, bad)
    schema = next(pieces(1, 0)).schema
    if source == "parquet":
        with pq.ParquetWriter(path, schema) as parquet:
            table = pa.Table.from_batches([], schema)
            for piece in made:
                table = pa.concat_tables([table, pa.Table.from_batches([piece])])
                if table.num_rows >= 1_000_000:  # the row groups that others write
                    parquet.write_table(table, 1_000_000)
                    table = table.slice(0, 0)
            parquet.write_table(table, 1_000_000)
    elif source == "extract":
        with pa.ipc.new_file(str(path), schema) as arrow:
            for piece in made:
                arrow.write_batch(piece)
    else:
        options = pyarrow.csv.WriteOptions(include_header=False)
        with path.open("wb") as file:
            file.write(",".join(COLUMNS).encode() + b"\n")
            for number, piece in enumerate(made):
                moments = pa.compute.strftime(piece["at"], "%Y-%m-%dT%H:%M:%SZ")
                piece = piece.set_column(1, "at", moments)
                pyarrow.csv.write_csv(piece, file, options)
                file.write(b"ragged,%d\n" % number * int(piece.num_rows * bad / 2))


def ours(source: str, path: Path, folder: Path, bad: float) -> int:
    """Ingest the span; the number of its rows."""
    from mlcore.config.data import Data
    from mlcore.core.window import Span, parse_moment
    from mlcore.ingest.spans import SpanJob, ingest_span

    where = {"path": "x"} if source != "extract" else {"table": "flights", "url": "postgresql://localhost/flights"}
    data = Data.model_validate(
        {
            "source": {"type": source if source != "extract" else "postgres", **where},
            "columns": COLUMNS,
            "event_timestamp": "at",
            "key": ["id", "carrier", "at"],
            "span": "P1D",
            "label": {"name": "late", "column": "delay", "above": 15},
            "max_bad_fraction": min(2 * bad, 0.9),
        }
    )
    span = Span(start=parse_moment("2024-01-02T00:00Z"), end=parse_moment("2024-01-03T00:00Z"))
    return ingest_span(SpanJob(span=span, path=path, folder=folder), data).rows


def peer(source: str, path: Path, folder: Path, bad: float) -> int:
    """Arrow from the file to Parquet."""
    batches: Iterator[pa.RecordBatch]
    if source == "parquet":
        file = pq.ParquetFile(path)
        batches, schema = file.iter_batches(65_536, use_threads=False), file.schema_arrow
    elif source == "extract":
        opened = pa.ipc.open_file(pa.OSFile(str(path)))
        batches = (opened.get_batch(number) for number in range(opened.num_record_batches))
        schema = opened.schema
    else:
        invalid = pyarrow.csv.ParseOptions(invalid_row_handler=lambda _: "skip")
        reading = pyarrow.csv.open_csv(
            path, read_options=pyarrow.csv.ReadOptions(use_threads=False), parse_options=invalid
        )
        batches, schema = iter(reading), reading.schema
    rows = 0
    with pq.ParquetWriter(folder / "data.parquet", schema, compression="lz4") as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def alone(who: str, source: str, path: Path, bad: float) -> dict[str, float]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, __file__, "--only", who, "--file", str(path), "--folder", folder]
        command += ["--sources", source, "--bad", str(bad)]
        found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def measured(options: argparse.Namespace) -> dict[str, float]:
    started = time.perf_counter()
    rows = {"ours": ours, "peer": peer}[options.only](
        options.sources[0], Path(options.file), Path(options.folder), options.bad
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": rows,
        "CPU s": used.ru_utime + used.ru_stime,
        "wall s": time.perf_counter() - started,
        "peak MB": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """Of this process since it began; what ``getrusage`` tells begins with its parent's."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--sources", nargs="+", default=["csv", "parquet", "extract"])
    parser.add_argument("--bad", type=float, default=0.0)
    parser.add_argument("--only", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measured(options)))
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as home:
        for source in options.sources:
            for rows in options.rows:
                path = Path(home) / f"day.{source}"
                write(source, path, rows, options.bad)
                results = {who: alone(who, source, path, options.bad) for who in ("peer", "ours")}
                for who, found in results.items():
                    shown = ", ".join(f"{key} {value:,.1f}" for key, value in found.items())
                    print(f"{source:8} {rows:>11,} {who:5} {shown}", flush=True)
                print(
                    f"{source:8} {rows:>11,} CPU {results['ours']['CPU s'] / results['peer']['CPU s']:.2f}x the peer's"
                )
                path.unlink()


if __name__ == "__main__":
    main()
