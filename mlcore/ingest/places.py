"""Where files are: a path, a glob, a folder or any fsspec URL. Imports nothing heavy: windows are resolved with it.

What a file system outside this process raises is told as a :class:`~mlcore.errors.DataError`: it may be of any class.
"""

from __future__ import annotations

import errno
import glob
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast
from urllib.parse import unquote

from mlcore.core.digests import digest_chunks, digest_json
from mlcore.core.types import Json
from mlcore.core.window import EPOCH
from mlcore.errors import DataError, MlcoreError, quoted
from mlcore.ingest.copies import copied, opened_copy

_HIDDEN = ("_", ".")
_FILE_URL = "file://"
_CHUNK_BYTES = 1 << 20
_REMOTE_BLOCK_BYTES = 1 << 22
"""So much of a remote file is asked for at once, and held."""
_REMOTE_BUFFER_BYTES = 1 << 16
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_BUCKETS = {"s3", "gs", "abfs"}
_EXTRAS = {"s3": "pip install 'mlcore[s3]'", "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file that is there.

    Attributes:
        path: As it is opened.
        size_bytes: ``None`` where its file system does not tell.
        mark: Equal marks of one path: it was not written since. Empty where its file system does not tell.
        changed: When it came to be what it is, where its file system tells.
    """

    path: str
    size_bytes: int | None
    mark: Mapping[str, Json]
    changed: datetime | None


def is_url(path: str) -> bool:
    """Whether it is a URL; ``file://`` is none, but another way to write a path."""
    return "://" in path and not path.startswith(_FILE_URL)


def name_of(path: str) -> str:
    """The part of a path or URL whose ending tells the format: that of a web server may be followed by a query.

    >>> name_of("https://example.org/a/b.csv.gz?token=x")
    'b.csv.gz'
    """
    if path.startswith(("http://", "https://")):
        path = path.partition("#")[0].partition("?")[0]
    return PurePosixPath(path).name


def list_files(path: str) -> tuple[File, ...]:
    """The files a path stands for, in the order of their names: a file itself, a glob's, or all below a folder.

    A folder that a glob finds stands for all below it. Files and folders whose names begin with ``_`` or ``.`` are
    left out below a folder, as Spark and Hive do, and from what a glob finds.

    Raises:
        DataError: It cannot be told which there are.
    """
    if is_url(path):
        return tuple(sorted(_remote(path), key=lambda file: file.path))
    try:
        return tuple(_local_file(file) for file in sorted(_local(path.removeprefix(_FILE_URL))))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def existing_files(path: str) -> tuple[File, ...]:
    """The same, where there must be one.

    Raises:
        DataError: There is none, or it cannot be told which there are.
    """
    found = list_files(path)
    if not found:
        folder = not is_url(path) and Path(path.removeprefix(_FILE_URL)).is_dir()
        raise DataError(
            "the folder holds no file" if folder else "there is no such file",
            where=path,
            next_step="check the path; a folder must hold at least one file",
        )
    return found


def is_set(path: str, files: Sequence[File]) -> bool:
    """Whether a path stands for files that may become more, as a glob or a folder does."""
    return [_written_alike(file.path) for file in files] != [_written_alike(path.removeprefix(_FILE_URL))]


def _written_alike(path: str) -> str:
    """Some file systems call ``memory://a`` by the name ``memory:///a``."""
    protocol, separator, rest = path.partition("://")
    return f"{protocol}{separator}{rest.lstrip('/')}"


def list_names(folder: str) -> tuple[str, ...]:
    """The names of the files and folders in a folder; none where there is no such folder.

    Raises:
        DataError: It cannot be told which there are.
    """
    if not is_url(folder):
        try:
            return tuple(place.name for place in Path(folder.removeprefix(_FILE_URL) or ".").iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise unreadable(folder, error) from error
    none: tuple[str, ...] = ()
    found = _asked(folder, lambda system, inner: tuple(system.ls(inner, detail=False)), none)
    return tuple(PurePosixPath(name).name for name in found)


def digest_of(path: str, files: Sequence[File]) -> str:
    """Digest of the content of a place; of several files that of their digests in the order of their names.

    Names decide nothing, but for the columns that those of folders are.

    Raises:
        DataError: A file cannot be read.
    """
    digests = [digest_chunks(_chunks(file.path)) for file in files]
    columns: list[dict[str, Json]] = [dict(partitions(file.path)) for file in files]
    if not is_set(path, files) and not columns[0]:
        return digests[0]
    return digest_json([[digest, column] for digest, column in zip(digests, columns, strict=True)])


def partitions(path: str) -> dict[str, str | None]:
    """Column values that the names of folders give, as Hive writes them.

    >>> partitions("flights/year=2013/origin=JFK/part-0.parquet")
    {'year': '2013', 'origin': 'JFK'}
    """
    pairs = (part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    return {name: None if value == _NO_PARTITION else unquote(value) for name, value in pairs}


def open_binary(path: str, *, jumping: bool = False) -> IO[bytes]:
    """A file or any fsspec URL, for reading; of a remote one never more than a few megabytes are held.

    Args:
        path: What to open.
        jumping: Whether it is read in large pieces here and there: then nothing is fetched ahead.

    Raises:
        DataError: It cannot be opened. What goes wrong while a remote file is read is one too.
    """
    if not is_url(path):
        try:
            return Path(path.removeprefix(_FILE_URL)).open("rb")
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
    if (copy := opened_copy(path)) is not None:
        return copy
    options = {"block_size": _REMOTE_BLOCK_BYTES, **({"cache_type": "none"} if jumping else {})}
    remote = _Remote(path, _asked(path, lambda system, inner: system.open(inner, "rb", **options)))
    return cast("IO[bytes]", remote) if jumping else io.BufferedReader(remote, _REMOTE_BUFFER_BYTES)


def unreadable(path: str, error: Exception) -> DataError:
    """The error for what cannot be listed, opened or read."""
    if isinstance(error, MlcoreError) and isinstance(error, DataError):
        return error
    reason = getattr(error, "strerror", None) or quoted(str(error) or type(error).__name__)
    if isinstance(error, FileNotFoundError) and not error.strerror:
        reason = "there is no such file"
    return DataError(f"cannot read the file: {reason}", where=path, next_step=_next_step(path, error))


def _next_step(path: str, error: Exception) -> str:
    if not is_url(path):
        return "check that it is a file that is there and that this user may read it"
    protocol = path.partition("://")[0].rpartition("::")[2]
    if isinstance(error, ImportError):
        return f"install what reads it: {_EXTRAS.get(protocol, f'the fsspec package of {protocol}://')}"
    if isinstance(error, ValueError):
        return "check the URL: its protocol is one that fsspec knows, for instance s3://, gs:// or https://"
    if isinstance(error, PermissionError) or "redential" in f"{type(error).__name__} {error}":
        return f"check the credentials of this process for {protocol}://, and that they may list and read there"
    return "check that it is there and that its server can be reached, then run again"


def _local(path: str) -> set[str]:
    if Path(path).exists() or not glob.has_magic(path):
        return _below(Path(path))
    found = glob.glob(path, recursive=True)  # noqa: PTH207 - a pathlib glob is relative
    return set().union(*(_below(Path(name)) for name in found if _found_shown(name, path)))


def _below(place: Path) -> set[str]:
    if not place.is_dir():
        return {str(place)} if place.exists() else set()
    inside = (file for file in place.rglob("*") if file.is_file() and _shown(file.relative_to(place).parts))
    return {str(file) for file in inside}


def _local_file(path: str) -> File:
    """With size, times and inode: a file written in place keeps the inode, one put in its place does not.

    The time of the last change of the inode cannot be set by a user, that of the last modification can.
    """
    status = Path(path).stat()
    mark: dict[str, Json] = {
        "size_bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": getattr(status, "st_ctime_ns", 0),
        "inode": getattr(status, "st_ino", 0),
    }
    newest = max(status.st_mtime_ns, getattr(status, "st_ctime_ns", 0))
    changed = EPOCH + timedelta(microseconds=newest // 1000) if newest else None
    return File(path=path, size_bytes=status.st_size, mark=mark, changed=changed)


def _remote(url: str) -> list[File]:
    def look(system: Any, inner: str) -> list[File]:
        try:
            found = _infos(system, inner)
        except FileNotFoundError:
            found = {}
        if not found:
            _check_bucket(system, inner)
        return [_remote_file(system, info) for info in found.values()]

    return _asked(url, look)


def _check_bucket(system: Any, inner: str) -> None:
    """Where there is nothing, whether that is because there is no such bucket: no data will ever come to be there."""
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    bucket = inner.partition("/")[0]
    if not _BUCKETS.isdisjoint(protocols) and not system.exists(bucket):
        raise FileNotFoundError(errno.ENOENT, f"there is no bucket {quoted(bucket)}")


def _infos(system: Any, inner: str) -> dict[str, dict[str, Any]]:
    """What is known of each file, by its name."""
    if not glob.has_magic(inner):
        return _infos_below(system, inner, system.info(inner))
    found: dict[str, dict[str, Any]] = {}
    for name, info in system.glob(inner, detail=True).items():
        if _found_shown(name, inner):
            found |= _infos_below(system, name, info)
    return found


def _infos_below(system: Any, inner: str, info: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if info.get("type") != "directory":
        return {inner: info}
    parts = len(PurePosixPath(inner).parts)
    below: dict[str, dict[str, Any]] = system.find(inner, detail=True)
    return {
        name: info
        for name, info in below.items()
        if info.get("type") == "file" and _shown(PurePosixPath(name).parts[parts:])
    }


def _found_shown(name: str, pattern: str) -> bool:
    """Whether what a glob found is shown: nothing of it is hidden where the pattern has wildcards, or it names such."""
    parts = PurePosixPath(pattern).parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return any(part.startswith(_HIDDEN) for part in parts[first:]) or _shown(PurePosixPath(name).parts[first:])


def _shown(parts: tuple[str, ...]) -> bool:
    return not any(part.startswith(_HIDDEN) for part in parts)


def _remote_file(system: Any, info: Mapping[str, Any]) -> File:
    size, changed = info.get("size"), _moment(info)
    tag = next((info[name] for name in ("ETag", "etag", "generation", "md5Hash") if info.get(name)), None)
    mark: dict[str, Json] = {"size_bytes": size, "etag": str(tag)} if tag is not None else {}
    if tag is None and changed is not None:
        mark = {"size_bytes": size, "modified": changed.isoformat()}
    return File(path=system.unstrip_protocol(info["name"]), size_bytes=size, mark=mark, changed=changed)


def _moment(info: Mapping[str, Any]) -> datetime | None:
    """When a remote file was last written: every file system has a name and a type of its own for it."""
    names = ("LastModified", "last_modified", "updated", "mtime", "modified", "timeModified", "created")
    value = next((info[name] for name in names if info.get(name)), None)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, int | float):
        value = EPOCH + timedelta(seconds=value)
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)


_NO_DEFAULT: Any = object()


def _asked(url: str, question: Callable[[Any, str], _T], absent: _T = _NO_DEFAULT) -> _T:
    """What a remote file system answers: nothing it remembers, for what is there changes."""
    try:
        import fsspec

        system, inner = fsspec.core.url_to_fs(url, use_listings_cache=False)
        return question(system, inner)
    except FileNotFoundError as error:
        if absent is _NO_DEFAULT:
            raise unreadable(url, error) from error
        return absent
    except Exception as error:
        raise unreadable(url, error) from error


def _chunks(path: str) -> Iterator[bytes]:
    with open_binary(path) as file:
        yield from copied(path, _read_chunks(path, file)) if is_url(path) else _read_chunks(path, file)


def _read_chunks(path: str, file: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(_CHUNK_BYTES)
        except OSError as error:
            raise unreadable(path, error) from error
        if not chunk:
            return
        yield chunk


class _Remote(io.RawIOBase):
    """A remote file whose faults are told as those of data."""

    def __init__(self, url: str, inner: Any) -> None:
        self._url, self._inner = url, inner

    def readinto(self, buffer: Any) -> int:
        found: bytes = self._told(lambda: self._inner.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = 0) -> int:
        found: int = self._told(lambda: self._inner.seek(offset, whence))
        return found

    def tell(self) -> int:
        found: int = self._told(self._inner.tell)
        return found

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._inner.seekable())

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()

    def _told(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except Exception as error:
            raise unreadable(self._url, error) from error
