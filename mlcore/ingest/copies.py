"""Remote files on the local disk for as long as they are needed twice: for their digest, and then for their rows.

Imports nothing heavy. Copies have no name: however a process ends, nothing of them is left. They lie where the
environment variable ``TMPDIR`` says.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import IO, Any

SHARE = 4
"""All copies together take no more than one in so many bytes of the disk that were free."""
_BUFFER_BYTES = 1 << 20


@dataclass(slots=True)
class _Copies:
    room_bytes: int
    files: dict[str, IO[bytes]] = field(default_factory=dict)


_KEPT: ContextVar[_Copies | None] = ContextVar("kept", default=None)


@contextmanager
def keeping_copies() -> Iterator[None]:
    """Around whoever asks for digests of remote files and reads their rows after: both are of the same bytes.

    What the disk has no room for is read twice.
    """
    copies = _Copies(room_bytes=shutil.disk_usage(tempfile.gettempdir()).free // SHARE)
    token = _KEPT.set(copies)
    try:
        yield
    finally:
        _KEPT.reset(token)
        for file in copies.files.values():
            file.close()


def copied(path: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks; when all of them came, there is a copy of them, where copies are kept and there is room."""
    copies = _KEPT.get()
    if copies is None or path in copies.files:
        yield from chunks
        return
    file: IO[bytes] | None = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the copies
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if file is not None and not _written(file, chunk, size <= copies.room_bytes):
                file = None
            yield chunk
        if file is not None:
            file.flush()
            copies.files[path], file = file, None
            copies.room_bytes -= size
    finally:
        if file is not None:
            file.close()


def _written(file: IO[bytes], chunk: bytes, room: bool) -> bool:
    """Whether there is still a copy: where there is no room it is given up."""
    if room:
        with suppress(OSError):
            file.write(chunk)
            return True
    file.close()
    return False


def opened_copy(path: str) -> IO[bytes] | None:
    """A copy, from its beginning; ``None`` where there is none. Several may be read at a time."""
    copies = _KEPT.get()
    file = copies.files.get(path) if copies is not None else None
    return None if file is None else io.BufferedReader(_Copy(file.fileno()), _BUFFER_BYTES)


class _Copy(io.RawIOBase):
    """A file by its descriptor, with a place of its own in it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._place = descriptor, 0
        self._size = os.fstat(descriptor).st_size

    def readinto(self, buffer: Any) -> int:
        found = os.pread(self._descriptor, len(buffer), self._place)
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
