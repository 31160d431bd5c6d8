"""Whether a model folder loads and answers in a process of its own, within limits, as it did where it was trained."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.core.temporary import temporary_folder
from mlcore.deployment.probe import BATCH_FILE, ERROR_FILE, LOGGED_FILE, REPORT_FILE, SCORES_FILE, SINGLE_FILE
from mlcore.errors import quoted

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
_LOOKS = 10
_ERROR_TAIL = 400
_ROUNDING = 1e-9
BATCH_ROWS = 10_000
Floats = npt.NDArray[np.float64]
Finding = tuple[bool, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a model may take.

    Attributes:
        latency_p99_seconds: For one row.
        memory_bytes: Resident size of the whole process and what it starts; it is stopped when it takes more.
        latency_p50_seconds: For one row; ``None``: no limit.
        size_bytes: Of the model's files; ``None``: no limit.
        timeout_seconds: For start, loading and all requests; it is stopped when it takes longer.
    """

    latency_p99_seconds: float
    memory_bytes: int
    latency_p50_seconds: float | None = None
    size_bytes: int | None = None
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
        needs: Packages that are no serving dependencies and that its library brings along; see ``serving_only``.
    """

    folder: Path
    load: str = "mlcore.training.model:load_model"
    predict: str = "mlcore.training.predict:predict_scores"
    needs: tuple[str, ...] = ()


Answers = Callable[[pa.Table], Floats]
"""What the model says of rows where it was trained: a number, or some, a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unloadable:
    """Why a model could not be loaded.

    Attributes:
        error: Name of the class of what was raised; empty where the process crashed, hung or grew.
        what: In words.
    """

    error: str
    what: str


def load_apart(subject: Subject, limits: Limits) -> Unloadable | None:
    """Load a model in a fresh process with only what serving needs, within limits of memory and time.

    Whatever the file does to that process, this one goes on.

    Args:
        subject: ``load`` may ask the model, too; ``predict`` is not called.
        limits: Of memory and time.

    Returns:
        Why it could not be loaded; nothing where it could.
    """
    with temporary_folder("infra") as scratch:
        _write_job(scratch, subject, limits, requests=None)
        failure = _run(scratch, limits)
        raised = _told(scratch / ERROR_FILE)
        if not failure:
            return None
        return Unloadable(error=raised.get("type", ""), what=raised.get("what") or failure)


def validate_infra(
    subject: Subject, requests: pa.Table, answers: Answers, limits: Limits, *, logged: pa.Table | None = None
) -> InfraVerdict:
    """Load the model in a fresh process with only what serving needs, and ask it.

    A process that crashes, hangs or takes too much memory is a negative verdict, not an error.

    Args:
        subject: The model.
        requests: Rows to ask for; see :mod:`mlcore.deployment.requests`. They are asked all at once, one by one, and
            over and over up to ten thousand rows.
        answers: Asked last, of a model that has survived. Of all requests at once the fresh process must give these
            bits; asked otherwise, these numbers.
        limits: What it may take.
        logged: Requests that were served before; asked all at once.
    """
    with temporary_folder("infra") as scratch:
        size = sum(file.stat().st_size for file in subject.folder.rglob("*") if file.is_file())
        pq.write_table(requests, scratch / "requests.parquet")
        if logged is not None:
            pq.write_table(logged, scratch / "logged.parquet")
        named = None if logged is None else "logged.parquet"
        _write_job(scratch, subject, limits, requests="requests.parquet", logged=named)
        failure = _run(scratch, limits)
        if failure:
            return InfraVerdict(blessed=False, reasons=(f"blocked: {failure}",), measurements={"size_bytes": size})
        expected = [answers(requests)] if logged is None else [answers(requests), answers(logged)]
        return _judge(scratch, expected, size, limits)


def _write_job(
    scratch: Path, subject: Subject, limits: Limits, *, requests: str | None, logged: str | None = None
) -> None:
    job = {
        "model": str(_at_hand(subject.folder, scratch)),
        "requests": requests and str(scratch / requests),
        "logged": logged and str(scratch / logged),
        "batch_rows": BATCH_ROWS,
        "memory_bytes": limits.memory_bytes,
        "load": subject.load,
        "predict": subject.predict,
        "needs": list(subject.needs),
    }
    (scratch / "job.json").write_text(json.dumps(job))


def _at_hand(folder: Any, scratch: Path) -> Path:
    """The model's folder on this machine: of an object store a copy."""
    if isinstance(folder, Path):
        return folder
    copy = scratch / "model"
    for file in folder.rglob("*"):
        if file.is_file():
            target = copy / str(file)[len(str(folder)) :].strip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as source, target.open("wb") as written:
                shutil.copyfileobj(source, written)
    return copy


def _run(scratch: Path, limits: Limits) -> str:
    """Why the probe did not end well; empty where it did."""
    command = [sys.executable, "-m", "mlcore.deployment.probe", str(scratch / "job.json")]
    deadline = time.monotonic() + limits.timeout_seconds
    with (scratch / "stderr").open("wb") as errors:
        process = _start(command, errors)
        try:
            failure = _watch(process, limits, deadline)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it started
            process.wait()
    if failure or process.returncode == 0:
        return failure
    return _raised(scratch / ERROR_FILE) or _crash(process.returncode, scratch / "stderr")


def _start(command: Sequence[str], errors: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True
    )


def _watch(process: subprocess.Popen[bytes], limits: Limits, deadline: float) -> str:
    for look in count():
        try:
            process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            held = _resident(process.pid, children=look % _LOOKS == 0)
            if held > limits.memory_bytes:
                return f"the model's process took {_mib(held)}, allowed {_mib(limits.memory_bytes)}, and was stopped"
            if time.monotonic() > deadline:
                return f"the model did not answer within {limits.timeout_seconds:g} s"
        else:
            return ""
    return ""


def _resident(pid: int, *, children: bool) -> int:
    """Of a process, and of those it started: to find them every process of the machine is looked at."""
    try:
        process = psutil.Process(pid)
        started = process.children(recursive=True) if children else []
        return sum(_held(one) for one in (process, *started))
    except psutil.Error:
        return 0


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _raised(errors: Path) -> str:
    """What loading or asking raised, in its own words."""
    found = _told(errors)
    if not found:
        return ""
    message = " ".join(found["message"].split())[:_ERROR_TAIL]
    return f"loading or asking the model raised {found['type']}: {message}"


def _told(errors: Path) -> dict[str, str]:
    """What the probe wrote of an exception; nothing where there was none."""
    try:
        return {key: str(value) for key, value in json.loads(errors.read_text()).items()}
    except (OSError, ValueError):
        return {}


def _crash(code: int, errors: Path) -> str:
    tail = errors.read_bytes()[-_ERROR_TAIL:].decode(errors="replace").strip()
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"the model's process {how}" + (f": {quoted(tail, limit=_ERROR_TAIL)}" if tail else "")


def _judge(scratch: Path, expected: Sequence[Floats], size: int, limits: Limits) -> InfraVerdict:
    report: dict[str, Any] = json.loads((scratch / REPORT_FILE).read_text())
    p50, p99 = (float(np.quantile(report["latencies_seconds"], share, method="higher")) * 1000 for share in (0.5, 0.99))
    memory = int(report["peak_memory_bytes"])
    scores, batch = np.load(scratch / SCORES_FILE), np.load(scratch / BATCH_FILE)
    findings = [
        _as_trained(scores, expected[0], "requests"),
        _alike(np.load(scratch / SINGLE_FILE), scores, "asked one by one"),
        _alike(batch, np.resize(scores, (BATCH_ROWS, *scores.shape[1:])), f"among {BATCH_ROWS:,} rows"),
        *(_as_trained(np.load(scratch / LOGGED_FILE), found, "logged requests") for found in expected[1:]),
        _within("p99 latency of one row", p99, limits.latency_p99_seconds * 1000, "ms"),
        _within("peak memory", memory / 2**20, limits.memory_bytes / 2**20, "MiB"),
    ]
    if limits.latency_p50_seconds is not None:
        findings.append(_within("p50 latency of one row", p50, limits.latency_p50_seconds * 1000, "ms"))
    if limits.size_bytes is not None:
        findings.append(_within("size of the model's files", size / 2**20, limits.size_bytes / 2**20, "MiB"))
    measurements = {
        "load_seconds": float(report["load_seconds"]),
        "latency_p50_seconds": p50 / 1000,
        "latency_p99_seconds": p99 / 1000,
        "rows_per_second": BATCH_ROWS / float(report["batch_seconds"]),
        "peak_memory_bytes": float(memory),
        "size_bytes": float(size),
    }
    _LOG.info("infra validation measured %s", measurements)
    return InfraVerdict(
        blessed=all(passed for passed, _ in findings),
        reasons=tuple(f"{'passed' if passed else 'blocked'}: {text}" for passed, text in findings),
        measurements=measurements,
    )


def _as_trained(found: Floats, expected: Floats, what: str) -> Finding:
    """Bit for bit: the same rows, asked in the same way."""
    problem = _unanswered(found, expected, what)
    if problem:
        return False, problem
    other = _rows(found.view(np.uint64) != np.ascontiguousarray(expected, np.float64).view(np.uint64))
    if len(other):
        return False, f"of {what}, {_differing(found, expected, other)} from those where the model was trained"
    return True, f"{len(expected)} {what} have the answers of training, bit for bit"


def _alike(found: Floats, together: Floats, how: str) -> Finding:
    """Nearly: linear algebra adds up a row alone in another order than a row among others."""
    problem = _unanswered(found, together, "requests")
    if problem:
        return False, f"{how}, {problem}"
    other = _rows(np.abs(found - together) > _ROUNDING * np.maximum(1.0, np.abs(together)))
    if len(other):
        return False, f"{_differing(found, together, other)} when {how} from when asked all at once"
    return True, f"requests {how} have the answers of all at once"


def _rows(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Which answers are marked in any of their numbers."""
    return np.flatnonzero(marked.reshape(len(marked), -1).any(axis=1))


def _unanswered(found: Floats, expected: Floats, what: str) -> str:
    if found.shape != expected.shape:
        return f"{len(found)} answers to {len(expected)} {what}"
    unsure = _rows(~np.isfinite(found))
    return f"the answer to one of the {what}, number {unsure[0]}, is {found[unsure[0]]}" if len(unsure) else ""


def _differing(found: Floats, expected: Floats, other: npt.NDArray[np.int64]) -> str:
    first = other[0]
    return f"{len(other)} of {len(found)} answers differ (the first: {found[first]} for {expected[first]})"


def _within(name: str, found: float, allowed: float, unit: str) -> Finding:
    if found <= allowed:
        return True, f"{name} is within {allowed:g} {unit}"
    return False, f"{name} is {found:.1f} {unit}, allowed {allowed:g} {unit}"


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
