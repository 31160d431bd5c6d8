"""Beam's job server: the Java process that takes a portable pipeline and runs it on Flink or Spark."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlcore.errors import EngineError, quoted

_LOG = logging.getLogger(__name__)
_READY_SECONDS = 120.0
_STOP_SECONDS = 5.0
_LOG_TAIL_BYTES = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class JobServer:
    """What to run.

    Attributes:
        java: The launcher, a name on the path or a file.
        jvm: Options of the virtual machine.
        program: ``-jar FILE``, or ``-cp CLASSPATH MAIN``.
        arguments: The job server's own, without ports.
    """

    java: str
    program: tuple[str, ...]
    arguments: tuple[str, ...]
    jvm: tuple[str, ...] = ()


@contextmanager
def serving(server: JobServer) -> Iterator[str]:
    """The endpoint of a job server that accepts jobs; it is stopped afterwards, and dies with this thread.

    Raises:
        EngineError: There is no Java, or the job server does not start.
    """
    java = find_java(server.java)
    with tempfile.TemporaryDirectory(prefix="mlcore-job-server-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        log = Path(folder) / "job-server.log"
        process = _start([java, *server.jvm, *server.program, *server.arguments], port, Path(folder), log)
        try:
            _await(process, port, log)
            _LOG.info("job server ready, process %d, port %d", process.pid, port)
            yield f"localhost:{port}"
        finally:
            _stop(process)


def find_java(launcher: str) -> str:
    """The file that starts Java.

    Args:
        launcher: A name on the path, or a file.

    Raises:
        EngineError: There is none.
    """
    java = shutil.which(launcher)
    if java is None:
        raise EngineError(
            f"there is no Java: {quoted(launcher)} is not on the path",
            where="beam.options.job_server_java_launcher",
            next_step="install Java 11 or 17, or name its launcher in that option",
        )
    return java


def _start(command: list[str], port: int, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    ports = ["--job-port", str(port), "--artifact-port", "0", "--expansion-port", "0"]
    command = [*_dying_with_this_thread(), *command, *ports, "--artifacts-dir", str(folder / "artifacts")]
    with log.open("wb") as output:
        # Its own group: Ctrl-C reaches this process first, which then stops it.
        return subprocess.Popen(  # noqa: S603 - the launcher and the jars are the configured ones
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def _dying_with_this_thread() -> list[str]:
    """Where this process is killed without a chance to clean up, the kernel ends the server; elsewhere it stays."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.1)
    said = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
    state = "does not answer" if process.poll() is None else f"ended with code {process.returncode}"
    raise EngineError(
        f"the Beam job server {state}; it said last: {quoted(said, _LOG_TAIL_BYTES)}",
        where=f"process {process.pid}",
        next_step="Java 11 or 17 is needed, and the jars must fit it; see docs/how-to.md",
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])
