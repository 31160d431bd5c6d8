"""One supervised service: a process, its log, and when it may be started again."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import setproctitle

from mlcore.platform.forking import fork, import_dag_modules, import_task_modules, run_airflow
from mlcore.platform.layout import Layout
from mlcore.platform.processes import ProcessId, end, in_session, wait_gone
from mlcore.platform.state import Health, ServiceState

# --skip-serve-logs: their log servers would listen on every interface; all logs are in one folder here anyway.
SERVICES: dict[str, tuple[str, ...]] = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_LONG_LIFE_SECONDS = 60.0
_LARGEST_LOG_BYTES = 50 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Forked:
    """A child of ours, by its identity and session."""

    process: ProcessId
    exit_code: int | None = None

    @classmethod
    def start(cls, work: Callable[[], None], *, log: Path, before: Callable[[], None]) -> Forked:
        pid = fork(work, log=log, before=before)
        # A child that has ended already is still there until we wait for it, so its pid is not used again.
        return cls(process=ProcessId.of(pid) or ProcessId(pid=pid, started=0.0))

    def look(self) -> Forked:
        """Itself, with the exit code when it has ended (negative: the signal that killed it)."""
        if self.exit_code is not None:
            return self
        pid, status = os.waitpid(self.process.pid, os.WNOHANG)
        if not pid:
            return self
        return Forked(process=self.process, exit_code=os.waitstatus_to_exitcode(status))


class Child:
    """A service that is started again when it dies, after a pause that doubles while its lives are short.

    Args:
        name: Its name in ``SERVICES``.
        layout: The home.
        before: Runs in the new process first.
        gate: Read end of a pipe; the first start waits for its end of file before it runs Airflow.
    """

    def __init__(self, name: str, layout: Layout, before: Callable[[], None], gate: int) -> None:
        self.name = name
        self.health = Health.DEAD
        self.started_at = 0.0
        self._layout = layout
        self._before = before
        self._gate = gate
        self._forked: Forked | None = None
        self._deaths = 0
        self._last_exit_code: int | None = None
        self._short_lives = 0
        self._not_before = 0.0

    @property
    def alive(self) -> bool:
        return self._forked is not None

    def state(self) -> ServiceState:
        return ServiceState(
            name=self.name,
            health=self.health,
            process=self._forked.process if self._forked else None,
            started_at=self.started_at,
            restarts=self._deaths,
            last_exit_code=self._last_exit_code,
        )

    def start_if_due(self) -> bool:
        """Starts it unless it lives or has to wait; tells whether it did."""
        if self.alive or time.monotonic() < self._not_before:
            return False
        self._forked = Forked.start(self._work, log=self._layout.log(self.name), before=self._before)
        self.started_at = time.time()
        self.health = Health.STARTING
        return True

    def _work(self) -> None:
        setproctitle.setproctitle(f"airflow {self.name}")
        if self.name == "scheduler":
            import_task_modules()
        elif self.name == "dag-processor":
            import_dag_modules()
        os.read(self._gate, 1)
        run_airflow(*SERVICES[self.name])

    def notice_death(self) -> bool:
        """Tells whether it died since the last look. What it started ends with it: a new one would do it twice."""
        if self._forked is None:
            return False
        self._forked = self._forked.look()
        if self._forked.exit_code is None:
            return False
        self._last_exit_code = self._forked.exit_code
        end(in_session(self._forked.process.pid), grace_seconds=0)
        self._forked = None
        self._deaths += 1
        self.health = Health.DEAD
        lived = time.time() - self.started_at
        self._short_lives = 0 if lived > _LONG_LIFE_SECONDS else self._short_lives + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** max(self._short_lives - 1, 0), _LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + pause
        return True

    def stop(self, *, timeout_seconds: float) -> None:
        """Waits so long for it to stop, then kills it and everything in its session."""
        if self._forked is None:
            return
        session = self._forked.process.pid
        wait_gone([self._forked.process], timeout_seconds=timeout_seconds)
        end([self._forked.process, *in_session(session)], grace_seconds=0)
        self._forked.look()
        self._forked = None
        self.health = Health.DEAD

    def send(self, signal_number: int) -> None:
        if self._forked is not None:
            self._forked.process.send(signal_number)


def bound_log(path: Path, largest_bytes: int = _LARGEST_LOG_BYTES) -> None:
    """Moves a log's content aside when it is too large; its writers go on, since they append."""
    if path.exists() and path.stat().st_size > largest_bytes:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)
