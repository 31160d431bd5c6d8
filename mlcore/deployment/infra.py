"""Whether a model folder loads and answers in a process of its own, within limits, as it did where it was trained."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.deployment.probe import REPORT_FILE, SCORES_FILE, SINGLE_FILE
from mlcore.errors import quoted

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_ERROR_TAIL = 400
_RUNAWAY = 2
"""A probe that holds so many times the allowed memory is stopped before it harms others."""

_ROUNDING = 1e-9
Floats = npt.NDArray[np.float64]
Finding = tuple[bool, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a model may take.

    Attributes:
        latency_p99_seconds: For one row.
        memory_bytes: Resident size of the whole process.
        timeout_seconds: For start, loading and all requests.
    """

    latency_p99_seconds: float
    memory_bytes: int
    timeout_seconds: float = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class InfraVerdict:
    """Whether the model works, a sentence on each finding, and what was measured.

    Attributes:
        reasons: The same words for every run that passes; numbers only where a limit was broken.
        measurements: By name; they vary from run to run.
    """

    blessed: bool
    reasons: tuple[str, ...]
    measurements: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A model, and how it is loaded and asked.

    Attributes:
        folder: Of the model.
        load: ``module:function`` that takes the folder.
        predict: ``module:function`` that takes the loaded model and a table, and gives a number, or some, a row.
    """

    folder: Path
    load: str = "mlcore.training.model:load_model"
    predict: str = "mlcore.training.predict:predict_scores"


def validate_infra(subject: Subject, requests: pa.Table, expected: Floats, limits: Limits) -> InfraVerdict:
    """Load the model in a fresh process and ask it.

    A process that crashes, hangs or takes too much memory is a negative verdict, not an error.

    Args:
        subject: The model.
        requests: Rows to ask for; see :func:`mlcore.deployment.requests.build_requests`.
        expected: What the model answers where it was trained, a number or some a row. Asked for all requests at once
            it must give these bits; asked row by row, these numbers.
        limits: What it may take.
    """
    scratch = Path(tempfile.mkdtemp(prefix="mlcore-infra-"))
    try:
        pq.write_table(requests, scratch / "requests.parquet")
        job = {
            "model": str(subject.folder),
            "requests": str(scratch / "requests.parquet"),
            "load": subject.load,
            "predict": subject.predict,
        }
        (scratch / "job.json").write_text(json.dumps(job))
        failure = _run(scratch, limits)
        if failure:
            return InfraVerdict(blessed=False, reasons=(f"blocked: {failure}",))
        return _judge(scratch, expected, limits)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(scratch: Path, limits: Limits) -> str:
    """Why the probe did not end well; empty where it did."""
    command = [sys.executable, "-m", "mlcore.deployment.probe", str(scratch / "job.json")]
    deadline = time.monotonic() + limits.timeout_seconds
    with (scratch / "stderr").open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
        )
        try:
            failure = _watch(process, limits, deadline)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if failure or process.returncode == 0:
        return failure
    return _crash(process.returncode, scratch / "stderr")


def _watch(process: subprocess.Popen[bytes], limits: Limits, deadline: float) -> str:
    while True:
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            held = _resident(process.pid)
            if held > limits.memory_bytes * _RUNAWAY:
                return f"the model's process took {_mib(held)}, allowed {_mib(limits.memory_bytes)}, and was stopped"
            if time.monotonic() > deadline:
                return f"the model did not answer within {limits.timeout_seconds:g} s"
        else:
            return ""


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _crash(code: int, errors: Path) -> str:
    tail = errors.read_bytes()[-_ERROR_TAIL:].decode(errors="replace").strip()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"the model's process {how}" + (f": {quoted(tail, limit=_ERROR_TAIL)}" if tail else "")


def _judge(scratch: Path, expected: Floats, limits: Limits) -> InfraVerdict:
    report: dict[str, Any] = json.loads((scratch / REPORT_FILE).read_text())
    latency = float(np.quantile(report["latencies_seconds"], 0.99, method="higher"))
    memory = int(report["peak_memory_bytes"])
    scores = np.load(scratch / SCORES_FILE)
    findings = [
        _as_trained(scores, expected),
        _one_by_one(np.load(scratch / SINGLE_FILE), scores),
        _within("p99 latency of one row", latency * 1000, limits.latency_p99_seconds * 1000, "ms"),
        _within("peak memory", memory / 2**20, limits.memory_bytes / 2**20, "MiB"),
    ]
    measurements = {
        "load_seconds": float(report["load_seconds"]),
        "latency_p99_seconds": latency,
        "peak_memory_bytes": float(memory),
    }
    _LOG.info("infra validation measured %s", measurements)
    return InfraVerdict(
        blessed=all(passed for passed, _ in findings),
        reasons=tuple(f"{'passed' if passed else 'blocked'}: {text}" for passed, text in findings),
        measurements=measurements,
    )


def _as_trained(found: Floats, expected: Floats) -> Finding:
    """Bit for bit: the same rows, asked in the same way."""
    problem = _unanswered(found, expected)
    if problem:
        return False, problem
    other = _rows(found.view(np.uint64) != np.ascontiguousarray(expected, np.float64).view(np.uint64))
    if len(other):
        return False, f"{_differing(found, expected, other)} from those where the model was trained"
    return True, f"{len(expected)} requests have the answers of training, bit for bit"


def _one_by_one(found: Floats, together: Floats) -> Finding:
    """Nearly: linear algebra adds up a row alone in another order than a row among others."""
    problem = _unanswered(found, together)
    if problem:
        return False, f"asked one by one, {problem}"
    other = _rows(np.abs(found - together) > _ROUNDING * np.maximum(1.0, np.abs(together)))
    if len(other):
        return False, f"{_differing(found, together, other)} when asked one by one from when asked all at once"
    return True, f"{len(together)} requests asked one by one have the answers of all at once"


def _rows(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Which answers are marked in any of their numbers."""
    return np.flatnonzero(marked.reshape(len(marked), -1).any(axis=1))


def _unanswered(found: Floats, expected: Floats) -> str:
    if found.shape != expected.shape:
        return f"{len(found)} answers to {len(expected)} requests"
    unsure = _rows(~np.isfinite(found))
    return f"the answer to request {unsure[0]} is {found[unsure[0]]}" if len(unsure) else ""


def _differing(found: Floats, expected: Floats, other: npt.NDArray[np.int64]) -> str:
    first = other[0]
    return f"{len(other)} of {len(found)} answers differ (the first: {found[first]} for {expected[first]})"


def _within(name: str, found: float, allowed: float, unit: str) -> Finding:
    if found <= allowed:
        return True, f"{name} is within {allowed:g} {unit}"
    return False, f"{name} is {found:.1f} {unit}, allowed {allowed:g} {unit}"


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
