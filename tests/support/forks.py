"""The command line in processes of their own that need not import everything anew.

They are forks of one process, which has imported what tasks import and nothing else: no thread, no connection.
Airflow's scheduler starts tasks in the same way (:mod:`mlcore.platform.forking`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from mlcore.beam.quiet import import_beam
from mlcore.cli.lazy import COMMANDS

_IMPORTED = (
    "pyarrow.csv",
    "pyarrow.parquet",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "skops.io",
    "apache_beam.runners.portability.fn_api_runner",
    "alembic.command",
    "mlcore.runtime.launch",
    "mlcore.cli.main",
    *dict.fromkeys(f"mlcore.cli.{module}" for module in COMMANDS.values()),
)
_MOST_SECONDS = 300.0


class Forked:
    """``mlcore`` with these arguments, environment and working folder, after the Python code ``before``; started."""

    def __init__(self, *arguments: str, environ: Mapping[str, str], folder: Path, before: str = "") -> None:
        self._arguments = arguments
        self._scratch = tempfile.TemporaryDirectory(prefix="mlcore-forked-")
        job = {"arguments": arguments, "environ": dict(environ), "folder": str(folder), "before": before}
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(job | {"scratch": self._scratch.name}) + "\n")
        self.pid = int(server.stdout.readline())

    def said(self, name: str = "stdout") -> str:
        """What it wrote until now, to ``stdout`` or ``stderr``."""
        return (Path(self._scratch.name) / name).read_text(encoding="utf-8")

    def wait(self, seconds: float = _MOST_SECONDS) -> subprocess.CompletedProcess[str]:
        """What it said and how it ended."""
        ended = Path(self._scratch.name) / "code"
        deadline = time.monotonic() + seconds
        while not ended.exists():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"mlcore {' '.join(self._arguments)}: {self.said()}{self.said('stderr')}")
            time.sleep(0.01)
        arguments = ("mlcore", *self._arguments)
        done = subprocess.CompletedProcess(arguments, int(ended.read_text()), self.said(), self.said("stderr"))
        self._scratch.cleanup()
        return done


@cache
def _server() -> subprocess.Popen[str]:
    """Lives as long as the tests: it ends when nobody can write to it any more."""
    environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200"}  # no threads; read when it is imported
    command = [sys.executable, "-P", __file__]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, text=True, bufsize=1, start_new_session=True)


def _serve() -> None:
    answers = os.dup(1)  # what an import says must not be taken for an answer
    os.dup2(2, 1)
    import_beam()
    for name in _IMPORTED:
        import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    for line in sys.stdin:
        if not os.fork():
            _watch(json.loads(line), answers)


def _watch(job: Mapping[str, Any], answers: int) -> None:
    """Between the server and the fork that works: the only one that may know how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    scratch = Path(job["scratch"])
    outputs = [os.open(scratch / name, os.O_WRONLY | os.O_CREAT, 0o600) for name in ("stdout", "stderr")]
    process = os.fork()
    if not process:
        os.close(answers)
        _become(job, outputs)
    os.write(answers, f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    (scratch / "code.part").write_text(str(os.waitstatus_to_exitcode(status)))
    (scratch / "code.part").rename(scratch / "code")
    os._exit(0)


def _become(job: Mapping[str, Any], outputs: list[int]) -> None:
    """Do one job, and leave with its exit code, without the destructors of threads that only the server had."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, output in enumerate(outputs, start=1):
        os.dup2(output, number)
    os.environ.clear()
    os.environ.update(job["environ"])
    os.chdir(job["folder"])
    sys.argv = ["mlcore", *job["arguments"]]
    exec(job["before"], {})
    from mlcore.cli.main import run
    from mlcore.platform.forking import exit_code_of

    os._exit(exit_code_of(run))


if __name__ == "__main__":
    _serve()
