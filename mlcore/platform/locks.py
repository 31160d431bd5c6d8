"""Files that only living processes can hold: a lock ends with its process, however that ended."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """An ``flock`` on a file that may be removed and made anew between two uses.

    Shared holders count the users of something; the exclusive holder knows that there is none.

    Args:
        path: The file; it and its folder are made when they are not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Takes the lock if it is free (for ``shared``: not held exclusively). Converts a lock held already.

        A conversion that fails keeps nothing: the kernel gives the old lock up first.
        """
        operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        while True:
            descriptor = self._descriptor
            if descriptor is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._descriptor = None
            try:
                fcntl.flock(descriptor, operation)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if _is_file(descriptor, self.path):
                self._descriptor = descriptor
                return True
            os.close(descriptor)  # the file was removed between open and lock: lock the new one

    def acquire(self, *, shared: bool = False, timeout_seconds: float) -> bool:
        """Tries until the lock is taken or the time is over; tells which."""
        deadline = time.monotonic() + timeout_seconds
        while not self.try_acquire(shared=shared):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
