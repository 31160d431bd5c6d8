"""Which account the postmaster runs as. PostgreSQL refuses root, so root hands it to another account.

The home (or the environment with PostgreSQL's programs) may lie below a folder that only root may enter, such as
/root. Opening such a folder to everybody is not ours to do, and a second place for data would break "one home folder".
So the postmaster keeps one capability there: the one to pass closed folders. It can be reached only through a socket
that only root may open.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlcore.errors import PlatformError

_PR_CAPBSET_READ, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 23, 8, 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user to become; ``capability`` lets it pass folders that are closed to it."""

    uid: int
    gid: int
    capability: int | None = None

    def become(self) -> None:
        """Turns this process, which must be root's, into the account's. To be called between fork and exec."""
        if self.capability is not None:
            _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.capability is not None:
            _set_capability(self.capability)


def postgres_account(data: Path, reached: Iterable[Path]) -> Account | None:
    """The account for the postmaster of this data folder; None when it is simply ours (we are not root).

    Args:
        data: The data folder. Its owner stays its owner; a new one is given to `postgres`, else to `nobody`.
        reached: Paths that the account must be able to reach.
    """
    if os.geteuid() != 0:
        return None
    uid, gid = _owner(data)
    closed = [path for path in reached if not _reachable(path, uid, gid)]
    return Account(uid=uid, gid=gid, capability=_passing_capability(closed[0]) if closed else None)


def _owner(data: Path) -> tuple[int, int]:
    if data.exists() and (found := data.stat()).st_uid != 0:
        return found.st_uid, found.st_gid
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise PlatformError(
        "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`",
        next_step="add one (`useradd --system postgres`), run mlcore as an ordinary user, or give --database-url",
    )


def _reachable(path: Path, uid: int, gid: int) -> bool:
    for folder in path.resolve().parents:
        found = folder.stat()
        bit = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH
        if not found.st_mode & bit:
            return False
    return True


def _passing_capability(closed: Path) -> int:
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        if sys.platform == "linux" and _libc().prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            return capability
    raise PlatformError(
        "PostgreSQL does not run as root, and another account cannot enter this folder",
        where=str(closed),
        next_step="set MLCORE_HOME to a folder that others may pass (such as /var/lib/mlcore), run mlcore as an "
        "ordinary user, or give --database-url",
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc(), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _set_capability(capability: int) -> None:
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; first for capabilities 0-31, then for 32-63
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _call("capset", header, data)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)
