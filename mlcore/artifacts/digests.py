"""Digests of files and folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlcore.core.digests import digest_chunks, digest_json

_CHUNK_BYTES = 1 << 20


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return digest_chunks(_chunks(path))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def files_below(folder: Path) -> list[Path]:
    """Every file of a folder, in the order of their names relative to it."""
    found = [path for path in folder.rglob("*") if path.is_file()] if isinstance(folder, Path) else _objects(folder)
    return sorted(found, key=lambda path: relative_name(path, folder))


def _objects(folder: Any) -> list[Path]:
    """The objects below a remote folder; a store that does not answer is no empty one."""
    return [folder.joinpath(name[len(folder.path) :].strip("/")) for name in folder.fs.find(folder.path)]


def relative_name(path: Path, folder: Path) -> str:
    """A file's name within a folder, with forward slashes."""
    return path.relative_to(folder).as_posix() if isinstance(path, Path) else str(path)[len(str(folder)) :].strip("/")


def digest_folder(folder: Path) -> str:
    """Digest of the names and bytes of a folder's files; when and by whom they were written does not matter."""
    return digest_json({relative_name(path, folder): digest_file(path) for path in files_below(folder)})
