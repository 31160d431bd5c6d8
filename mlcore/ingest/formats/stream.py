"""The bytes of a file or URL, a piece at a time, decompressed where its name says it is compressed."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from mlcore.errors import DataError, MalformedData, quoted

PIECE_BYTES = 1 << 22
_CODECS = {".gz": "gzip", ".zst": "zstd"}
_HIDDEN = ("_", ".")


def is_url(path: str) -> bool:
    return "://" in path


def expand(path: str) -> tuple[str, ...]:
    """The files a path stands for, in the order of their names: a file itself, a glob's, or all below a folder.

    Files and folders below a folder whose names begin with ``_`` or ``.`` are left out, as Spark and Hive do.

    Raises:
        DataError: There is none, or it cannot be listed.
    """
    try:
        found = _expanded_url(path) if is_url(path) else _expanded_path(path)
    except (OSError, ImportError, ValueError) as error:
        raise unreadable(path, error) from error
    if not found:
        raise DataError(
            "the directory holds no file" if Path(path).is_dir() else "there is no such file",
            where=path,
            next_step="check the path; a folder must hold at least one file",
        )
    return found


def _expanded_path(path: str) -> tuple[str, ...]:
    place = Path(path)
    if place.is_dir():
        inside = (file for file in place.rglob("*") if file.is_file() and _shown(file.relative_to(place).parts))
        return tuple(sorted(str(file) for file in inside))
    if place.exists() or not glob.has_magic(path):
        return (path,)
    return tuple(sorted(found for found in glob.glob(path, recursive=True) if Path(found).is_file()))  # noqa: PTH207


def _expanded_url(url: str) -> tuple[str, ...]:
    import fsspec

    system, inner = fsspec.core.url_to_fs(url)
    if glob.has_magic(inner):
        return tuple(sorted(system.unstrip_protocol(found) for found in system.glob(inner)))
    if system.isdir(inner):
        parts = len(PurePosixPath(inner).parts)
        below = (found for found in system.find(inner) if _shown(PurePosixPath(found).parts[parts:]))
        return tuple(sorted(system.unstrip_protocol(found) for found in below))
    return (url,)


def _shown(parts: tuple[str, ...]) -> bool:
    return not any(part.startswith(_HIDDEN) for part in parts)


def open_binary(path: str) -> IO[bytes]:
    """A file or any fsspec URL, for reading.

    Raises:
        DataError: It cannot be opened.
    """
    try:
        if not is_url(path):
            return Path(path).open("rb")
        import fsspec

        opened: IO[bytes] = fsspec.open(path, "rb").open()
    except (OSError, ImportError, ValueError) as error:
        raise unreadable(path, error) from error
    return opened


def pieces(path: str) -> Iterator[bytes]:
    """The content, decompressed, in pieces of at most :data:`PIECE_BYTES`.

    Raises:
        DataError: It cannot be read.
        MalformedData: The compressed data ends early or is damaged.
    """
    codec = _CODECS.get(PurePosixPath(path).suffix.lower())
    with ExitStack() as stack:
        source: Any = stack.enter_context(open_binary(path))
        if codec and source.read(1):
            source.seek(0)
            source = stack.enter_context(pa.CompressedInputStream(pa.PythonFile(source, "r"), codec))
        while piece := _read(source, codec, path):
            yield piece


def _read(source: Any, codec: str | None, path: str) -> bytes:
    try:
        read: bytes = source.read(PIECE_BYTES)
    except (OSError, pa.ArrowException) as error:
        if codec is None or (isinstance(error, OSError) and error.errno):
            raise unreadable(path, error) from error
        cut = "runcated" in str(error) or "ends before" in str(error)
        what = "ends before its end marker: it was cut off" if cut else f"is damaged ({quoted(str(error))})"
        raise MalformedData(
            f"the {codec} file {what}",
            where=path,
            next_step="deliver the file again, whole; writers should upload under another name and rename when done",
        ) from error
    return read


def unreadable(path: str, error: Exception) -> DataError:
    """The error for what cannot be opened or read."""
    reason = getattr(error, "strerror", None) or quoted(str(error) or type(error).__name__)
    return DataError(
        f"cannot read the file: {reason}",
        where=path,
        next_step="check that it is a file that is there and that this user may read it "
        "(s3:// needs the package s3fs, gs:// the package gcsfs)",
    )
