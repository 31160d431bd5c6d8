"""Where everything lies under the home folder.

<home>/airflow/        AIRFLOW_HOME: configuration and task logs
<home>/artifacts/      the artifact store, unless MLCORE_ARTIFACTS names another
<home>/postgres/data/  the embedded PostgreSQL
<home>/logs/           one log a service
<home>/secrets/        generated once, mode 0700
<home>/run/, <home>/tmp/   only while something runs: locks, sockets, state, temporary files
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from mlcore.errors import DISK_FULL, PlatformError, quoted

MINIMUM_FREE_BYTES = 1 << 30
# A socket's path may have 107 bytes; what Python's multiprocessing adds below TMPDIR takes about 40 of them.
_LONGEST_HOME = 60
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The paths of one home folder. Make it with ``Layout.of``, which resolves symbolic links."""

    home: Path

    @classmethod
    def of(cls, home: Path) -> Layout:
        return cls(home=home.resolve())

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def run(self) -> Path:
        return self.home / "run"

    @property
    def state(self) -> Path:
        """Not in ``run``: a failed start is still told when everything else was cleaned away."""
        return self.home / "supervisor.json"

    @property
    def postgres_data(self) -> Path:
        return self.home / "postgres" / "data"

    @property
    def transient(self) -> Path:
        """Where sockets and temporary files go: the home, or a short path when the home's is long or unusual.

        The fallback is fixed (no TMPDIR) because every process of this home must arrive at the same answer.
        """
        if len(os.fsencode(self.home)) <= _LONGEST_HOME and _PLAIN_PATH.fullmatch(str(self.home)):
            return self.home
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path("/tmp") / f"mlcore-{digest}"  # noqa: S108  made and checked by private_folder

    @property
    def sockets(self) -> Path:
        return self.transient / "run" / "postgres"

    @property
    def tmp(self) -> Path:
        return self.transient / "tmp"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self, least_bytes: int = MINIMUM_FREE_BYTES) -> None:
        """Makes the folders that are not there yet.

        Args:
            least_bytes: What has to be free.

        Raises:
            PlatformError: The home cannot be written, or less is free.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if self.transient != self.home:
                private_folder(self.transient)
            for folder in (self.airflow, self.logs, self.run, self.home / "postgres", self.sockets.parent, self.tmp):
                folder.mkdir(parents=True, exist_ok=True)
            private_folder(self.secrets)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise _full(self.home) from error
            raise PlatformError(
                f"the home folder cannot be written: {error.strerror or error}",
                where=quoted(str(error.filename or self.home)),
                next_step="set MLCORE_HOME to a folder of your own, or give yourself this one: "
                f"`chown -R $(id -u) {self.home}`",
            ) from error
        check_free_space(self.home, least_bytes)

    @property
    def users_lock(self) -> Path:
        """Held, shared, by every process that uses the embedded PostgreSQL or anything in ``run``."""
        return self.run / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the one supervisor of this home."""
        return self.run / "supervisor.lock"

    def remove_transient(self) -> None:
        """Removes locks, sockets and temporary files.

        Only right for who holds the users' lock exclusively. Its file goes last: who takes it after that finds a
        folder in which nothing is half removed.
        """
        shutil.rmtree(self.tmp, ignore_errors=True)
        if self.transient != self.home:
            shutil.rmtree(self.transient, ignore_errors=True)
        for path in self.run.iterdir() if self.run.exists() else ():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path != self.users_lock:
                path.unlink(missing_ok=True)
        self.users_lock.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.run.rmdir()


def check_free_space(folder: Path, minimum_bytes: int = MINIMUM_FREE_BYTES) -> None:
    """Raises ``PlatformError`` when the disk under ``folder`` has less than ``minimum_bytes`` left."""
    free = shutil.disk_usage(folder).free
    if free < minimum_bytes:
        raise PlatformError(
            f"{free / 2**30:.2f} GB are free, at least {minimum_bytes / 2**30:.0f} GB are needed",
            where=str(folder),
            next_step="free some space there, or set MLCORE_HOME to a folder on another disk",
        )


def _full(folder: Path) -> PlatformError:
    return PlatformError(
        "the disk is full",
        where=str(folder),
        next_step="free some space there, or set MLCORE_HOME to a folder on another disk",
    )


def private_folder(folder: Path) -> None:
    """Makes a folder that only this user may enter, and refuses one that somebody else put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
        raise PlatformError(
            "a folder for private files belongs to another user",
            where=str(folder),
            next_step="remove it, or set MLCORE_HOME to another folder",
        )
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
