"""The process that owns the platform: starts everything, notices what dies, stops everything.

It imports Airflow once and forks the services from itself, has one thread, and writes what it knows to
``supervisor.json``. When it is killed its children are killed by the kernel, and PostgreSQL's keeper finds that nobody
uses the server.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import setproctitle

from mlcore.config.settings import Settings
from mlcore.errors import MlcoreError, PlatformError
from mlcore.masking import masked
from mlcore.platform import credentials
from mlcore.platform.children import SERVICES, Child, Forked, bound_log
from mlcore.platform.databases import airflow_url, create_databases, database_of
from mlcore.platform.environment import HOST, Ports, airflow_environment, over
from mlcore.platform.forking import import_airflow
from mlcore.platform.layout import Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.migrations import needed, note_current
from mlcore.platform.postgres import EmbeddedPostgres
from mlcore.platform.processes import ProcessId, belonging_to, end
from mlcore.platform.state import Health, Phase, PlatformState
from mlcore.runtime.logs import ContextFormatter

_LOG = logging.getLogger(__name__)

ALREADY_RUNNING = 3
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_PORTS_TRIED = 50
_LOOK_SECONDS = 0.5
_PROBE_SECONDS = 3.0
_START_PROBE_SECONDS = 0.5
_SLOW_START_SECONDS = 120.0
# The scheduler waits for running tasks, sometimes also for idle workers, for ever. The others keep nothing.
_STOP_SECONDS = {"scheduler": 6.0, "api-server": 3.0, "dag-processor": 2.0, "triggerer": 2.0}
_MIGRATE_SECONDS = 600.0
_HEALTH_KEYS = {"scheduler": "scheduler", "dag-processor": "dag_processor", "triggerer": "triggerer"}


class StopRequested(Exception):
    """Somebody asked the platform to stop."""


class Supervisor:
    """One platform, from start to stop.

    Args:
        settings: The installation; a ``database_url`` replaces the embedded server.
        port: Where the api-server should listen; the next free one is taken when this one is not.
        ambient: The environment that Airflow's is laid over.
    """

    def __init__(self, settings: Settings, port: int, ambient: Mapping[str, str]) -> None:
        self._settings = settings
        self._ambient = ambient
        self._wanted_port = port
        self._layout = Layout.of(settings.home)
        self._use = FileLock(self._layout.users_lock)
        self._lock = FileLock(self._layout.supervisor_lock)
        self._server = None if settings.database_url else EmbeddedPostgres(settings.home)
        self._children: list[Child] = []
        self._inherited: list[int] = []
        self._began = time.monotonic()
        self._last_probe = self._last_look = 0.0
        self._state = PlatformState(supervisor=_myself(), started_at=time.time())

    def run(self) -> int:
        """The whole life of the platform; returns the process's exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._layout.create()
        # Not only one try: a look whether we run (``supervised``) takes the lock for a moment, too.
        if not self._use.acquire(shared=True, timeout_seconds=60) or not self._lock.acquire(timeout_seconds=1):
            _LOG.info("another supervisor of this home is at work")
            return ALREADY_RUNNING
        code = 0
        try:
            self._start()
            self._supervise()
        except StopRequested:
            _LOG.info("asked to stop")
        except Exception as error:
            _LOG.exception("the platform cannot run")
            code = 1
            self._note(phase=Phase.FAILED, error=_told(error))
        self._stop(keep_state=code != 0)
        return code

    def _start(self) -> None:
        """The longest parts overlap: PostgreSQL with Airflow's import, the scheduler's imports with the migrations."""
        self._layout.create()
        end(belonging_to(self._layout.home), grace_seconds=0)  # what a killed supervisor left
        self._note(port=free_port(self._wanted_port), doing="starting PostgreSQL, importing Airflow")
        if self._server:
            self._server.begin()
        secrets = credentials.load_credentials(self._layout)
        environ = airflow_environment(self._settings, Ports(api=self._state.port), secrets)
        os.environ.update(over(self._ambient, environ))
        import_airflow()
        url = environ["MLCORE_DATABASE_URL"]
        self._note(doing="waiting for PostgreSQL")
        self._start_database(url)
        gate, opener = os.pipe()
        self._children = [Child(name, self._layout, self._forget, gate) for name in SERVICES]
        self._inherited = [opener]
        self._child("scheduler").start_if_due()
        self._note(doing="migrating the databases")
        self._migrate(url)
        os.close(opener)
        self._inherited = []
        self._note(doing="starting Airflow")

    def _child(self, name: str) -> Child:
        return next(child for child in self._children if child.name == name)

    def _forget(self) -> None:
        """In a new child: the locks are the supervisor's alone, and so is what opens the gate."""
        for lock in (self._use, self._lock):
            lock.release()
        if self._server:
            self._server.forget()
        for descriptor in self._inherited:
            os.close(descriptor)

    def _start_database(self, url: str) -> None:
        if self._server:
            credentials.forget_database_url(self._layout)
            self._server.start()
            return
        create_databases(url, (database_of(url), database_of(airflow_url(url))))
        credentials.note_database_url(self._layout, url)

    def _migrate(self, url: str) -> None:
        work = needed(url)
        running = {
            name: Forked.start(part, log=self._layout.log(name), before=self._forget) for name, part in work.items()
        }
        deadline = time.monotonic() + _MIGRATE_SECONDS
        while any(part.exit_code is None for part in running.values()) and time.monotonic() < deadline:
            _sleep(_LOOK_SECONDS)
            running = {name: part.look() for name, part in running.items()}
        for name, part in running.items():
            if part.exit_code != 0:
                raise PlatformError(
                    f"a database migration failed or took too long (exit code {part.exit_code})",
                    where=str(self._layout.log(name)),
                    next_step="the end of that file says why",
                )
        if "migrate-airflow" in work:
            note_current(airflow_url(url))

    def _supervise(self) -> None:
        while True:
            changed = [child.notice_death() for child in self._children]
            changed += [child.start_if_due() for child in self._children]
            if time.monotonic() - self._last_probe > self._probe_interval():
                changed.append(self._probe())
            if any(changed):
                self._note()
            self._look_after_the_rest()
            _sleep(_LOOK_SECONDS)

    def _probe_interval(self) -> float:
        return _PROBE_SECONDS if self._state.phase is Phase.READY else _START_PROBE_SECONDS

    def _look_after_the_rest(self) -> None:
        if time.monotonic() - self._last_look < 2:
            return
        self._last_look = time.monotonic()
        if self._server:
            self._server.ensure_kept()
        for name in (*SERVICES, "supervisor", "postgres"):
            bound_log(self._layout.log(name))

    def _probe(self) -> bool:
        """Asks the api-server how all are; tells whether something changed."""
        before = [child.health for child in self._children]
        answer = health_of(self._state.port)
        for child in self._children:
            if child.alive:
                child.health = _judge(child, answer)
        self._last_probe = time.monotonic()
        if self._state.phase is Phase.STARTING and all(child.health is Health.HEALTHY for child in self._children):
            seconds = time.monotonic() - self._began
            self._note(phase=Phase.READY, doing="", ready_seconds=round(seconds, 2))
            _LOG.info("ready after %.1f s at %s", seconds, self._state.url)
        return before != [child.health for child in self._children]

    def _stop(self, *, keep_state: bool) -> None:
        """Stops the services, the api-server last (tasks report to it), and gives PostgreSQL back."""
        if not keep_state:
            self._note(phase=Phase.STOPPING, doing="stopping Airflow")
        first = [child for child in self._children if child.name != "api-server"]
        for group in (first, [child for child in self._children if child.name == "api-server"]):
            for child in group:
                child.send(signal.SIGTERM)
            asked = time.monotonic()
            for child in sorted(group, key=lambda child: _STOP_SECONDS[child.name]):
                child.stop(timeout_seconds=asked + _STOP_SECONDS[child.name] - time.monotonic())
        end(belonging_to(self._layout.home), grace_seconds=0)
        credentials.forget_database_url(self._layout)
        if not keep_state:
            self._layout.state.unlink(missing_ok=True)
        if self._server:
            self._use.release()
            self._server.stop()
        elif self._use.try_acquire():
            self._layout.remove_transient()
        self._use.release()
        _LOG.info("stopped")

    def _note(self, **changes: Any) -> None:
        services = tuple(child.state() for child in self._children)
        self._state = dataclasses.replace(self._state, **changes, services=services)
        self._state.write(self._layout)


def _myself() -> ProcessId:
    found = ProcessId.of(os.getpid())
    if found is None:
        raise PlatformError("the kernel does not tell when this process began", where="/proc/self/stat")
    return found


def _sleep(seconds: float) -> None:
    """Sleeps until a child dies or the time is over. Raises ``StopRequested`` when asked to stop."""
    caught = signal.sigtimedwait(_SIGNALS, seconds)
    if caught and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
        raise StopRequested


def _told(error: Exception) -> tuple[str, str, str]:
    if isinstance(error, MlcoreError):
        return error.what, error.where, error.next_step
    return masked(f"{type(error).__name__}: {error}")[:500], "", "see logs/supervisor.log in the home folder"


def free_port(wanted: int) -> int:
    """The first free TCP port on the loopback interface from ``wanted`` on.

    Raises:
        PlatformError: None of the next 50 is free.
    """
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise PlatformError(
        f"no port from {wanted} to {wanted + _PORTS_TRIED - 1} is free",
        where=HOST,
        next_step="choose another range with `mlcore up --port N`",
    )


def health_of(port: int) -> dict[str, Any] | None:
    """The answer of the api-server's health page; None when it gives none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/api/v2/monitor/health")
        response = connection.getresponse()
        found = json.loads(response.read()) if response.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None


def _judge(child: Child, answer: dict[str, Any] | None) -> Health:
    """A living service is healthy when it says so and said so since its start: old heartbeats are not its own."""
    if answer is not None and child.name == "api-server":
        good = (answer.get("metadatabase") or {}).get("status") == "healthy"
        return Health.HEALTHY if good else Health.UNHEALTHY
    if answer is not None:
        key = _HEALTH_KEYS[child.name]
        part = answer.get(key) or {}
        if part.get("status") == "healthy" and _seconds(part.get(f"latest_{key}_heartbeat")) > child.started_at:
            return Health.HEALTHY
    elif child.name != "api-server" and child.health is Health.HEALTHY:
        return Health.HEALTHY  # only the api-server could tell, and it does not answer
    starting = child.health is Health.STARTING and time.time() - child.started_at < _SLOW_START_SECONDS
    return Health.STARTING if starting else Health.UNHEALTHY


def _seconds(timestamp: str | None) -> float:
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def main(port: int, environ: Mapping[str, str]) -> int:
    """The supervisor as a process of its own; ``environ`` has SPT_NOENV, see environment.py."""
    setproctitle.setproctitle("mlcore supervisor")  # the first call must come before any change of os.environ
    handler = logging.StreamHandler()
    handler.setFormatter(ContextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    settings = Settings.from_environ(environ)
    os.chdir(settings.project)
    return Supervisor(settings, port, environ).run()


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), os.environ))
