"""Folders for the time of a piece of work. One whose process was killed is found by that, and removed by others."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = ".mlcore-work-"
MIN_AGE_SECONDS = 60.0
"""Younger ones are left alone: between being made and being locked, nobody holds one."""


@contextmanager
def temporary_folder(kind: str, *, within: Path | None = None) -> Iterator[Path]:
    """A new folder that only this user may enter; it is removed at the end, with what is in it.

    It is locked meanwhile. The lock ends with its process and whatever that forked, however they end; then the next
    ``temporary_folder`` beside it removes it, and so does ``mlcore gc``.

    Args:
        kind: Of the work, for its name.
        within: Where it is made, by default where temporary files go; it exists.
    """
    parent = Path(tempfile.gettempdir()) if within is None else within
    for left in abandoned(parent):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-", dir=parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system that has no locks: nobody can lock it, to remove it, either
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def abandoned(parent: Path, *, min_age_seconds: float = MIN_AGE_SECONDS) -> list[Path]:
    """The folders in one that nobody works in any more, in the order of their names."""
    try:
        found = sorted(path for path in parent.iterdir() if path.name.startswith(_PREFIX))
    except OSError:
        return []
    return [path for path in found if _is_abandoned(path, min_age_seconds)]


def _is_abandoned(folder: Path, min_age_seconds: float) -> bool:
    try:
        status = folder.lstat()
        if status.st_uid != os.geteuid() or time.time() - status.st_mtime < min_age_seconds:
            return False
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # gone just now, or none of ours
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
