"""The fresh process in which a model is loaded and asked: ``python -m mlcore.deployment.probe job.json``.

It imports nothing but what loading and asking need, so that what it measures is what a server would see, and can
import nothing that a server does not have. It ends with the process that started it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.deployment.serving_only import raise_barrier

SCORES_FILE = "scores.npy"
SINGLE_FILE = "single.npy"
BATCH_FILE = "batch.npy"
LOGGED_FILE = "logged.npy"
REPORT_FILE = "report.json"
ERROR_FILE = "error.json"
_DEATH_SIGNAL = 1
_SLACK_BYTES = 2**31
_SLACK_BYTES_A_CORE = 2**28

Floats = npt.NDArray[np.float64]


def main(job_path: Path) -> None:
    """Do one job and write what came of it beside its file."""
    job = json.loads(job_path.read_text())
    folder = job_path.parent
    _end_with_parent()
    raise_barrier(but=job["needs"])
    try:
        report = _asked(job, folder)
    except Exception as error:
        said = getattr(error, "what", "") or str(error)
        told = {"type": type(error).__name__, "what": said[:2_000], "message": str(error)[:2_000]}
        (folder / ERROR_FILE).write_text(json.dumps(told))
        raise
    (folder / REPORT_FILE).write_text(json.dumps(report))


def _asked(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    load = _named(job["load"])
    requests = _read(job["requests"]) if job["requests"] else None
    predict = _named(job["predict"])
    _limit_memory(int(job["memory_bytes"]))
    started = time.perf_counter()
    model = load(Path(job["model"]))
    load_seconds = time.perf_counter() - started
    if requests is None:
        return {"load_seconds": load_seconds, "peak_memory_bytes": peak_memory_bytes()}

    def ask(rows: pa.Table) -> Floats:
        return np.asarray(predict(model, rows), dtype=np.float64)

    scores = ask(requests)
    single, latencies = [], []
    for index in range(requests.num_rows):
        row = requests.slice(index, 1)
        started = time.perf_counter()
        single.append(ask(row)[0])
        latencies.append(time.perf_counter() - started)
    batch = requests.take(pa.array(np.resize(np.arange(requests.num_rows), int(job["batch_rows"]))))
    started = time.perf_counter()
    together = ask(batch)
    batch_seconds = time.perf_counter() - started
    _write(folder, {SCORES_FILE: scores, SINGLE_FILE: np.array(single), BATCH_FILE: together})
    if job["logged"]:
        _write(folder, {LOGGED_FILE: ask(_read(job["logged"]))})
    return {
        "load_seconds": load_seconds,
        "latencies_seconds": latencies,
        "batch_seconds": batch_seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _write(folder: Path, arrays: dict[str, Floats]) -> None:
    for name, found in arrays.items():
        np.save(folder / name, found, allow_pickle=False)


def _read(path: str) -> pa.Table:
    with pq.ParquetFile(path) as file:  # read_table would import what scans whole datasets
        return file.read(use_threads=False)


def _limit_memory(allowed_bytes: int) -> None:
    """Refuse what is far beyond the limit at one blow, between two looks of the process that watches.

    Address space is no memory: threads and allocators reserve much that they never touch.
    """
    cores = os.cpu_count() or 1
    most = _address_space() + allowed_bytes + _SLACK_BYTES + cores * _SLACK_BYTES_A_CORE
    with suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _address_space() -> int:
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 0


def _end_with_parent() -> None:
    """On Linux the kernel kills this process when the one that watches it dies; elsewhere it ends by itself."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


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
