"""Starting and stopping the platform from another process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from mlcore.config.settings import Settings
from mlcore.errors import PlatformError
from mlcore.platform.children import SERVICES
from mlcore.platform.credentials import load_credentials
from mlcore.platform.environment import Ports, airflow_environment, over
from mlcore.platform.layout import Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.postgres import EmbeddedPostgres, ensure_database
from mlcore.platform.processes import HOME_MARKER, Detached, belonging_to, end
from mlcore.platform.state import Phase, PlatformState, supervised

_UP_SECONDS = 300.0
_DOWN_SECONDS = 60.0
OLDEST_PYTHON, TOO_NEW_PYTHON = (3, 11), (3, 14)


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A platform that is ready, and whether it was this call that started it."""

    state: PlatformState
    ours: bool


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raises ``PlatformError`` on a Python that Airflow or Beam do not support."""
    if not OLDEST_PYTHON <= version[:2] < TOO_NEW_PYTHON:
        raise PlatformError(
            f"Python {version[0]}.{version[1]} is not supported",
            where=sys.executable,
            next_step="make the environment with Python 3.11, 3.12 or 3.13",
        )


def up(
    settings: Settings, port: int, ambient: Mapping[str, str], progress: Callable[[str], None] = lambda _: None
) -> Started:
    """Starts the platform in the background and returns when it is ready; joins a start that is under way.

    Args:
        settings: The installation.
        port: The port wanted for Airflow's UI and API; ``state.port`` tells which it became.
        ambient: The environment of the caller.
        progress: Called with a few words whenever something else is being done.

    Raises:
        PlatformError: It did not become ready; the message is the supervisor's own.
    """
    check_python()
    layout = Layout.of(settings.home)
    layout.create()
    process = None if supervised(layout) else _spawn(layout, settings, port, ambient)
    deadline = time.monotonic() + _UP_SECONDS
    said = ""
    while time.monotonic() < deadline:
        code = process.poll() if process else None
        state = PlatformState.read(layout)
        if process and code is None and state and state.supervisor.pid != process.pid and not state.supervisor.alive:
            state = None  # written by a supervisor that was killed
        if state and state.phase is Phase.READY and supervised(layout):
            return Started(state=state, ours=process is not None and state.supervisor.pid == process.pid)
        # Ours may have ended because another was first, which also kills what it takes for leftovers: join that one.
        if (process is None or code is not None) and not supervised(layout):
            raise _failure(layout, state)
        if state and state.doing != said:
            said = state.doing
            progress(said)
        time.sleep(0.1)
    raise PlatformError(
        f"the platform is not ready after {_UP_SECONDS:.0f} s",
        where=str(layout.logs),
        next_step="`mlcore status` tells which service is not healthy, `mlcore logs NAME` why",
    )


def _spawn(layout: Layout, settings: Settings, port: int, ambient: Mapping[str, str]) -> Detached:
    command, environ = supervisor_command(settings, port, ambient)
    return Detached.start(command, environ=environ, log=layout.log("supervisor"))


def supervisor_command(settings: Settings, port: int, ambient: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command and environment of the supervisor, for who starts it or becomes it (`up --foreground`)."""
    given = {
        "MLCORE_PROJECT": str(settings.project),
        "MLCORE_HOME": str(settings.home),
        "MLCORE_ARTIFACTS": settings.artifacts,
        "MLCORE_DATABASE_URL": settings.database_url or "",
        HOME_MARKER: str(Layout.of(settings.home).home),
        "SPT_NOENV": "1",
    }
    return [sys.executable, "-m", "mlcore.platform.supervisor", str(port)], {**ambient, **given}


def _failure(layout: Layout, state: PlatformState | None) -> PlatformError:
    if state and state.phase is Phase.FAILED:
        what, where, next_step = state.error
        return PlatformError(what, where=where, next_step=next_step)
    return PlatformError(
        "the platform stopped while it was being started",
        where=str(layout.log("supervisor")),
        next_step="the end of that file says why",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped:
    """What `down` found and did."""

    was_running: bool
    leftovers: int
    postgres_still_used: bool


def down(settings: Settings) -> Stopped:
    """Stops the platform and removes what was left by parts of it that were killed. Nothing to stop is no error.

    PostgreSQL stays while another process, such as `mlcore run`, uses it.
    """
    layout = Layout.of(settings.home)
    if not layout.run.exists() and not layout.transient.joinpath("run").exists():
        return Stopped(was_running=False, leftovers=0, postgres_still_used=False)
    state = PlatformState.read(layout)
    was_running = supervised(layout)
    if was_running and state:
        end([state.supervisor], grace_seconds=_DOWN_SECONDS)
    leftovers = belonging_to(layout.home)
    end(leftovers, grace_seconds=0)
    layout.state.unlink(missing_ok=True)
    server = EmbeddedPostgres(settings.home)
    free = FileLock(layout.users_lock)
    still_used = not free.acquire(timeout_seconds=1)
    if not still_used:
        server.stop_for_all()
        layout.remove_transient()
    free.release()
    return Stopped(was_running=was_running, leftovers=len(leftovers), postgres_still_used=still_used)


def become_supervisor(settings: Settings, port: int, ambient: Mapping[str, str]) -> NoReturn:
    """Turns this process into the supervisor (`up --foreground`): it ends when it is asked to stop."""
    check_python()
    Layout.of(settings.home).create()
    command, environ = supervisor_command(settings, port, ambient)
    os.execve(command[0], command, environ)  # noqa: S606  ourselves


@contextmanager
def airflow_command_environment(settings: Settings, ambient: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The environment for one of Airflow's commands, whose database answers while the context is open.

    That of the running platform; when none runs, PostgreSQL alone is started for it.
    """
    layout = Layout.of(settings.home)
    with ensure_database(settings) as url:
        layout.create()
        state = PlatformState.read(layout)
        ports = Ports(api=state.port) if state and supervised(layout) else Ports()
        platform = airflow_environment(replace(settings, database_url=url), ports, load_credentials(layout))
        yield over(ambient, platform)


def log_files(layout: Layout) -> dict[str, Path]:
    """The services' names and their logs, those that exist."""
    names = ("supervisor", "postgres", "migrate-airflow", "migrate-mlcore", *SERVICES)
    return {name: layout.log(name) for name in names if layout.log(name).exists()}
