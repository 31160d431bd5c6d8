"""Disks that are full, and what of it concerns PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path

DATA_LINK = "data"
"""In the folder of a PostgreSQL server's sockets, a link to its data: clients tell by it why the server is away."""
DATABASE_ROOM_BYTES = 32 << 20
"""With less a PostgreSQL server may not start: it writes its log in files of 16 MiB, and recovery needs some room."""


def room_bytes(folder: Path) -> int | None:
    """How much may still be written below a folder by who is no superuser; ``None`` where that cannot be told.

    Where no further file can be made there is no room, however many bytes are free.
    """
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if found.f_files and not found.f_favail:
        return 0
    return found.f_bavail * found.f_frsize


def database_is_full(data: Path) -> bool:
    """Whether the disk of a PostgreSQL server's data, or that of its log, has no room for it to start."""
    rooms = [room_bytes(folder) for folder in (data, data / "pg_wal")]
    return any(room is not None and room < DATABASE_ROOM_BYTES for room in rooms)
