"""Processes by pid and start time, so that a recycled pid is never taken for ours; and the ending of them.

What belongs to a home is found by a marker in its environment, which every descendant inherits, or by a working
directory inside its PostgreSQL data (PostgreSQL writes its titles over the environment).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

HOME_MARKER = "MLCORE_PLATFORM_HOME"
KEEPER_MARKER = "MLCORE_POSTGRES_HOME"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessId:
    """One process for good: the pid alone is used again by the kernel."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now; None when there is none, or only its exit code is left."""
        started = _started(pid)
        return None if started is None else cls(pid=pid, started=started)

    @property
    def alive(self) -> bool:
        return _started(self.pid) == self.started

    def send(self, signal_number: int) -> None:
        """Sends a signal to this process, and to no other that has its pid by then."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        except (AttributeError, OSError):  # not Linux, or an old or confined kernel
            if self.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal_number)
            return
        try:
            if self.alive:
                signal.pidfd_send_signal(handle, signal_number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def _started(pid: int) -> float | None:
    """Clock ticks since boot from Linux, which no change of the wall clock moves; seconds since 1970 elsewhere."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None if sys.platform == "linux" else _psutil_started(pid)
    fields = content.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else float(fields[19])


def _psutil_started(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def end(processes: Sequence[ProcessId], *, grace_seconds: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Asks the processes to stop, waits so long (0: does not ask), then kills them and waits until they are gone."""
    if grace_seconds > 0:
        for process in processes:
            process.send(first)
        if wait_gone(processes, timeout_seconds=grace_seconds):
            return
    for process in processes:
        process.send(signal.SIGKILL)
    wait_gone(processes, timeout_seconds=5)


def wait_gone(processes: Iterable[ProcessId], *, timeout_seconds: float) -> bool:
    """Waits until none of the processes is alive; tells whether that was in time."""
    deadline = time.monotonic() + timeout_seconds
    left = list(processes)
    while True:
        left = [process for process in left if process.alive]
        if not left or time.monotonic() >= deadline:
            return not left
        time.sleep(0.05)


def belonging_to(home: Path) -> list[ProcessId]:
    """This home's supervisor and every process that it started, directly or not; not the one that asks.

    PostgreSQL's are not among them: they may serve others than the supervisor.
    """
    return [*_matching(lambda process: process.environ().get(HOME_MARKER) == str(home))]


def in_session(session: int) -> list[ProcessId]:
    """Every process of a session: what a service started, directly or not."""
    return [*_matching(lambda process: os.getsid(process.pid) == session)]


def keepers_of(home: Path) -> list[ProcessId]:
    """Every process that keeps this home's PostgreSQL, and its postmaster."""
    return [*_matching(lambda process: process.environ().get(KEEPER_MARKER) == str(home))]


def inside(folder: Path) -> list[ProcessId]:
    """Every process whose working directory is this folder: the postmaster and its children, for PostgreSQL data."""
    return [*_matching(lambda process: process.cwd() == str(folder))]


def _matching(condition: Callable[[psutil.Process], bool]) -> Iterable[ProcessId]:
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or not condition(process):
                continue
        except (psutil.Error, OSError):
            continue
        if found := ProcessId.of(process.pid):
            yield found


def memory_bytes(processes: Iterable[ProcessId]) -> int:
    """Proportional memory of the processes together; shared pages are counted once where the system tells (Linux)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            info = psutil.Process(process.pid).memory_full_info()
            total += getattr(info, "pss", 0) or info.rss
    return total


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal_number: signal.Signals, parent: int) -> None:
    """To be called in a new child: the kernel sends it the signal when the parent ends, however that ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)


def begin_child(signal_number: signal.Signals, parent: int) -> None:
    """``die_with_parent`` between fork and exec, for parents that block signals: the child starts with none blocked."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    die_with_parent(signal_number, parent)


class Detached:
    """A child that may outlive us: unlike ``Popen`` it may be dropped while it runs.

    Args:
        pid: The child's, which stays its own until ``poll`` has seen its end.
    """

    @classmethod
    def start(cls, command: list[str], *, environ: Mapping[str, str], log: Path) -> Detached:
        """Starts it in a session of its own, its output appended to ``log``."""
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        return cls(os.posix_spawn(command[0], command, environ, file_actions=actions, setsid=True, setsigmask=()))

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        if self._code is None:
            with contextlib.suppress(ChildProcessError):  # we are a fork of its parent: not ours to wait for
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code
