"""How much room a disk has."""

from __future__ import annotations

import os
from pathlib import Path

from mlcore.core.disk import DATABASE_ROOM_BYTES, database_is_full, room_bytes


def test_room_is_what_the_system_says_and_nothing_is_said_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Bytes for who is no superuser; None where there is no such folder, which is not taken for a full one."""
    found = room_bytes(tmp_path)
    assert found is not None
    assert 0 <= found <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
    assert room_bytes(tmp_path / "gone") is None
    assert not database_is_full(tmp_path / "gone")


def test_a_disk_without_bytes_is_full() -> None:
    """The file system /proc has none to give."""
    assert room_bytes(Path("/proc")) == 0
    assert database_is_full(Path("/proc"))
    assert DATABASE_ROOM_BYTES > 0
