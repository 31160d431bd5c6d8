"""Programs of mlcore in processes of their own that need not import everything anew.

They are forks of one process, which has imported what they import and nothing else: no thread, no connection.
Airflow's scheduler starts tasks in the same way (:mod:`mlcore.platform.forking`). There are two: one with what tasks
import, for the command line, and one with what serving imports, for the process in which InfraValidator asks a model.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

_MOST_SECONDS = 300.0
_ASKING = threading.Lock()


class Forked:
    """``mlcore`` with these arguments, environment and working folder, after the Python code ``before``; started."""

    def __init__(self, *arguments: str, environ: Mapping[str, str], folder: Path, before: str = "") -> None:
        self._arguments = arguments
        self._scratch = tempfile.TemporaryDirectory(prefix="mlcore-forked-")
        job = {"arguments": arguments, "environ": dict(environ), "folder": str(folder), "before": before}
        self.pid = _fork("commands", Path(self._scratch.name), job)

    def said(self, name: str = "stdout") -> str:
        """What it wrote until now, to ``stdout`` or ``stderr``."""
        return (Path(self._scratch.name) / name).read_text(encoding="utf-8")

    def wait(self, seconds: float = _MOST_SECONDS) -> subprocess.CompletedProcess[str]:
        """What it said and how it ended."""
        arguments = ("mlcore", *self._arguments)
        code = _ended(Path(self._scratch.name), seconds)
        if code is None:
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"mlcore {' '.join(self._arguments)}: {self.said()}{self.said('stderr')}")
        done = subprocess.CompletedProcess(arguments, code, self.said(), self.said("stderr"))
        self._scratch.cleanup()
        return done


class ForkedProbe:
    """In place of ``subprocess.Popen`` for ``python -m mlcore.deployment.probe JOB``."""

    def __init__(self, command: Sequence[str], errors: BinaryIO) -> None:
        self._command, self._errors = command, errors
        self._scratch = tempfile.TemporaryDirectory(prefix="mlcore-forked-")
        job = {"arguments": command[-1:], "environ": dict(os.environ), "folder": str(Path.cwd()), "before": ""}
        self.pid = _fork("probes", Path(self._scratch.name), job)
        self.returncode: int | None = None

    def wait(self, timeout: float = _MOST_SECONDS) -> int:
        """Its exit code; ``TimeoutExpired`` while it has none."""
        if self.returncode is None:
            self.returncode = _ended(Path(self._scratch.name), timeout)
            if self.returncode is None:
                raise subprocess.TimeoutExpired(self._command, timeout)
            self._errors.write((Path(self._scratch.name) / "stderr").read_bytes())
            self._scratch.cleanup()
        return self.returncode


def _fork(kind: str, scratch: Path, job: Mapping[str, Any]) -> int:
    """The process that does a job, and leaves what it says and its exit code in ``scratch``."""
    server = _server(kind)
    assert server.stdin is not None
    assert server.stdout is not None
    with _ASKING:
        server.stdin.write(json.dumps({**job, "scratch": str(scratch)}) + "\n")
        return int(server.stdout.readline())


def _ended(scratch: Path, seconds: float) -> int | None:
    """The exit code of what was forked; ``None`` where it still goes on then."""
    ended, deadline = scratch / "code", time.monotonic() + seconds
    while not ended.exists():
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)
    return int(ended.read_text())


@cache
def _server(kind: str) -> subprocess.Popen[str]:
    """Lives as long as the tests: it ends when nobody can write to it any more."""
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}  # no threads; read when it is imported
    command = [sys.executable, "-P", __file__, kind]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True, bufsize=1, start_new_session=True)


def _import_for_commands() -> None:
    from mlcore.beam.quiet import import_beam
    from mlcore.cli.main import Commands
    from mlcore.cli.models import Verbs

    import_beam()
    for name in (
        "pyarrow.csv",
        "pyarrow.parquet",
        "sklearn.ensemble",
        "sklearn.pipeline",
        "skops.io",
        "apache_beam.runners.portability.fn_api_runner",
        "alembic.command",
        "mlcore.runtime.launch",
        "mlcore.cli.main",
        *Commands.modules.values(),
        *Verbs.modules.values(),
    ):
        import_module(name)
    from mlcore.runtime.environment import present_environment

    present_environment(Path())  # what is installed is looked at once


def _import_for_probes() -> None:
    from mlcore.deployment.serving_only import raise_barrier

    raise_barrier()
    for name in ("mlcore.deployment.probe", "mlcore.training.model", "mlcore.training.predict", "skops.io"):
        import_module(name)


def _serve(kind: str) -> None:
    answers = os.dup(1)  # what an import says must not be taken for an answer
    os.dup2(2, 1)
    {"commands": _import_for_commands, "probes": _import_for_probes}[kind]()
    gc.collect()
    gc.freeze()  # what is imported lives as long as the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    for line in sys.stdin:
        if not os.fork():
            _watch(kind, json.loads(line), answers)


def _watch(kind: str, job: Mapping[str, Any], answers: int) -> None:
    """Between the server and the fork that works: the only one that may know how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    scratch = Path(job["scratch"])
    outputs = [os.open(scratch / name, os.O_WRONLY | os.O_CREAT, 0o600) for name in ("stdout", "stderr")]
    process = os.fork()
    if not process:
        os.close(answers)
        _become(kind, job, outputs)
    os.write(answers, f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    (scratch / "code.part").write_text(str(os.waitstatus_to_exitcode(status)))
    (scratch / "code.part").rename(scratch / "code")
    os._exit(0)


def _become(kind: str, job: Mapping[str, Any], outputs: list[int]) -> None:
    """Do one job, and leave with its exit code, without the destructors of threads that only the server had."""
    from mlcore.platform.forking import exit_code_of

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
    os.environ.clear()
    os.environ.update(job["environ"])
    os.chdir(job["folder"])
    exec(job["before"], {})
    os._exit(exit_code_of(partial(_mlcore if kind == "commands" else _probe, job["arguments"])))


def _mlcore(arguments: Sequence[str]) -> None:
    from mlcore.cli.main import run

    sys.argv = ["mlcore", *arguments]
    run()


def _probe(arguments: Sequence[str]) -> None:
    from mlcore.deployment import probe

    os.setsid()
    probe.main(Path(arguments[0]))


if __name__ == "__main__":
    _serve(sys.argv[1])
