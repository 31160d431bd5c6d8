"""The embedded PostgreSQL of a home folder: start, stop, address, and the count of those who use it."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from mlcore.config.settings import Settings
from mlcore.core.disk import database_is_full
from mlcore.errors import PlatformError
from mlcore.platform.credentials import noted_database_url
from mlcore.platform.databases import create_databases, reachable, with_driver
from mlcore.platform.keeper import SUPERUSER, KeeperState, programs, spawn
from mlcore.platform.layout import MINIMUM_FREE_BYTES, Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.processes import Detached, end, inside, keepers_of, wait_gone
from mlcore.platform.state import supervised

_LOG = logging.getLogger(__name__)

MLCORE_DATABASE = "mlcore"
AIRFLOW_DATABASE = "airflow"
_START_SECONDS = 60.0
_FULL_SECONDS = 5.0
"""A start that succeeds takes no longer where there is little to recover."""
_STOP_SECONDS = 30.0


class EmbeddedPostgres:
    """The PostgreSQL server under one home folder. It listens on a Unix socket that only its user may open.

    Any number of processes may ``start`` it; the first does, the last one to ``stop`` stops it. A process that was
    killed counts no longer.

    Args:
        home: The home folder (``MLCORE_HOME``).

    >>> EmbeddedPostgres(Path("/srv/mlcore")).url("airflow")
    'postgresql+psycopg2://mlcore@/airflow?host=/srv/mlcore/run/postgres'
    """

    def __init__(self, home: Path) -> None:
        self._layout = Layout.of(home)
        self._use = FileLock(self._layout.users_lock)
        self._keeper: Detached | None = None

    def url(self, database: str) -> str:
        """The address of one of its databases, whether it runs or not; Airflow derives its asyncpg address from it."""
        socket_folder = quote(str(self._layout.sockets), safe="/")
        return f"postgresql+psycopg2://{SUPERUSER}@/{database}?host={socket_folder}"

    def is_running(self) -> bool:
        """Whether it answers now."""
        return self._layout.sockets.exists() and reachable(self.url("postgres"))

    def begin(self) -> None:
        """Counts this object as a user and sees that the server is being started; does not wait for it."""
        if self._use.held:
            return
        programs()
        # Data that is there is to be reached, also by who frees space.
        least = 0 if self._layout.postgres_data.exists() else MINIMUM_FREE_BYTES
        self._layout.create(least)
        if not self._use.acquire(shared=True, timeout_seconds=_START_SECONDS):
            raise PlatformError(
                "PostgreSQL is being stopped and does not end",
                where=str(self._layout.log("postgres")),
                next_step="`mlcore down` ends what is left of it",
            )
        self._layout.create(least)  # again: the last user may have removed its folders just before
        if not self.is_running():
            self._keeper = spawn(self._layout)

    def start(self) -> None:
        """Returns when the server answers and has the databases of mlcore and Airflow. Counts this object as a user.

        Raises:
            PlatformError: It cannot be started, or the home cannot be written.
        """
        self.begin()
        try:
            self._wait_until_it_answers()
            create_databases(self.url("postgres"), (MLCORE_DATABASE, AIRFLOW_DATABASE))
        except BaseException:
            self.stop()
            raise

    def forget(self) -> None:
        """For a fork of a user: it is none itself."""
        self._use.release()

    def ensure_kept(self) -> None:
        """For a user that lives long: starts a keeper again if there is none. Does not wait."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        if self._use.held and not keepers_of(self._layout.home):
            self._keeper = spawn(self._layout)

    def stop(self) -> bool:
        """Counts this object as a user no longer, and stops the server if it was the last; tells whether it is down."""
        if not self._use.try_acquire():  # the exclusive lock: nobody else uses it
            return not self.is_running()
        try:
            self.stop_for_all()
            self._layout.remove_transient()
        finally:
            self._use.release()
        return True

    def stop_for_all(self) -> None:
        """Stops the server, its keeper, and what is left of them after a kill -9, whoever uses it."""
        postgres = inside(self._layout.postgres_data)
        keepers = [process for process in keepers_of(self._layout.home) if process not in postgres]
        end(keepers, grace_seconds=_STOP_SECONDS)
        if self._keeper is not None:
            self._keeper.poll()  # leaves no zombie
        end(inside(self._layout.postgres_data), grace_seconds=10, first=signal.SIGINT)  # a killed keeper's

    def _wait_until_it_answers(self) -> None:
        began = time.monotonic()
        deadline = began + _START_SECONDS
        while not self.is_running():
            if time.monotonic() > began + _FULL_SECONDS and database_is_full(self._layout.postgres_data):
                raise PlatformError(
                    "PostgreSQL does not start: its disk is full",
                    where=str(self._layout.postgres_data),
                    next_step="free some space there, then run again",
                )
            if self._keeper is None or self._keeper.poll() == 0:  # none of ours, or another's was at work and ended
                self._keeper = spawn(self._layout)
            if self._keeper.poll() or time.monotonic() > deadline:
                raise PlatformError(
                    KeeperState.read(self._layout).error or "PostgreSQL does not answer",
                    where=str(self._layout.log("postgres")),
                    next_step="the end of that file says why; `mlcore doctor` checks the usual causes",
                )
            time.sleep(0.05)


@contextlib.contextmanager
def ensure_database(settings: Settings) -> Iterator[str]:
    """The URL of mlcore's database, reachable while the context is open.

    That is ``settings.database_url`` when given, or what the running platform was given; else the embedded server's:
    the running one, or one that is started and stops at the end if nobody else uses it by then.
    """
    if url := given_database(settings):
        yield url
        return
    server = EmbeddedPostgres(settings.home)
    server.start()
    try:
        yield server.url(MLCORE_DATABASE)
    finally:
        server.stop()


def given_database(settings: Settings) -> str | None:
    """The address of the server that takes the embedded one's place, if there is one."""
    if settings.database_url:
        return with_driver(settings.database_url)
    layout = Layout.of(settings.home)
    return noted_database_url(layout) if supervised(layout) else None


def wait_stopped(home: Path, timeout_seconds: float = _STOP_SECONDS) -> bool:
    """Waits until no process of this home's PostgreSQL is left; tells whether that was in time."""
    layout = Layout.of(home)
    return wait_gone([*keepers_of(layout.home), *inside(layout.postgres_data)], timeout_seconds=timeout_seconds)
