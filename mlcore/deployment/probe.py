"""The fresh process in which a model is loaded and asked: ``python -m mlcore.deployment.probe job.json``.

It imports nothing but what loading and asking need, so that what it measures is what a server would see.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

SCORES_FILE = "scores.npy"
SINGLE_FILE = "single.npy"
REPORT_FILE = "report.json"


def main(job_path: Path) -> None:
    """Do one job and write what came of it beside its file."""
    job = json.loads(job_path.read_text())
    with pq.ParquetFile(job["requests"]) as file:  # read_table would import what scans whole datasets
        requests = file.read(use_threads=False)
    load, predict = _named(job["load"]), _named(job["predict"])
    started = time.perf_counter()
    model = load(Path(job["model"]))
    load_seconds = time.perf_counter() - started
    scores = np.asarray(predict(model, requests), dtype=np.float64)
    single, latencies = [], []
    for index in range(requests.num_rows):
        row = requests.slice(index, 1)
        started = time.perf_counter()
        single.append(np.asarray(predict(model, row), dtype=np.float64)[0])
        latencies.append(time.perf_counter() - started)
    np.save(job_path.parent / SCORES_FILE, scores, allow_pickle=False)
    np.save(job_path.parent / SINGLE_FILE, np.array(single), allow_pickle=False)
    report = {"load_seconds": load_seconds, "latencies_seconds": latencies, "peak_memory_bytes": peak_memory_bytes()}
    (job_path.parent / REPORT_FILE).write_text(json.dumps(report))


def peak_memory_bytes() -> int:
    """The largest resident size of this process.

    Linux counts the parent's memory before ``exec`` into ``ru_maxrss``; ``VmHWM`` is this program's alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _named(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


if __name__ == "__main__":
    main(Path(sys.argv[1]))
