"""Folders that files are put into so that nobody sees half of one: on this machine, or in an object store.

What differs between the two is how something appears in one step. A local file or folder is written under another
name and renamed; an object appears when all of it is there, and several of them when the last one, which names the
others, is.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mlcore.errors import ConfigError, DestinationError

_UNFINISHED = ".unfinished-"
_LOCK = ".lock"
_LOCK_SECONDS, _LOCK_PAUSE_SECONDS = 30.0, 0.1
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory")
_S3 = ("s3", "s3a")
_IMPATIENT = {
    "connect_timeout": 10, "read_timeout": 30, "retries": {"total_max_attempts": 2, "mode": "standard"},
}  # fmt: skip
_MOST_TRIES = 2
"""Of s3fs, each of the tries of its client: one that hangs is given up after two minutes, as levelling is repeated."""
_EXTRAS = {"s3": "pip install 'mlcore[s3]'", "gs": "pip install gcsfs", "gcs": "pip install gcsfs"}
_PRECONDITION_FAILED = ("PreconditionFailed", "ConditionalRequestConflict", "412")


class Changed(Exception):
    """A file is not what it was when it was read."""


class Place(ABC):
    """A folder of files and of releases, which are folders themselves."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What is directly in it, files and folders, but for what is not finished; nothing where it is not there."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The bytes of a file; ``None`` where there is none."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """A file for reading."""

    @abstractmethod
    def replace(self, name: str, data: bytes, found: bytes | None) -> None:
        """Put a small file in the place of what it held, in one step.

        Raises:
            Changed: It does not hold ``found``.
        """

    @abstractmethod
    def sizes(self, name: str) -> Mapping[str, int]:
        """Bytes of every file below a folder, by its name in there."""

    @abstractmethod
    def begin(self, name: str, last: str) -> str:
        """Where the files of a folder are to be put; ``last`` is the one without which none counts."""

    @abstractmethod
    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A new file, which need not be there before the context ends."""
        yield from ()

    @abstractmethod
    def finish(self, begun: str, name: str) -> None:
        """Let the folder appear, when all its files are written."""

    @abstractmethod
    def remove(self, name: str, last: str) -> None:
        """Remove a folder, ``last`` first."""

    @abstractmethod
    def clean(self) -> None:
        """Remove what a killed process left unfinished; nobody else writes."""

    @abstractmethod
    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keeps other processes of this machine from writing, where it can."""
        yield


class LocalPlace(Place):
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    def names(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(path.name for path in self._root.iterdir() if not path.name.startswith(".")))
        except FileNotFoundError:
            return ()

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def replace(self, name: str, data: bytes, found: bytes | None) -> None:
        if self.read(name) != found:
            raise Changed(name)
        temporary = self._unfinished(name)
        self._root.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._root / name)
        _sync(self._root)

    def sizes(self, name: str) -> Mapping[str, int]:
        folder = self._root / name
        return {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()
        }

    def begin(self, name: str, last: str) -> str:
        del last
        folder = self._unfinished(name)
        folder.mkdir(parents=True)
        return folder.name

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def finish(self, begun: str, name: str) -> None:
        source, target = self._root / begun, self._root / name
        for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
            _sync(folder)
        if target.exists():  # a damaged one; readers of it begin again at the pointer
            target.rename(self._unfinished(name))
        source.rename(target)
        _sync(self._root)

    def remove(self, name: str, last: str) -> None:
        del last
        gone = self._unfinished(name)
        (self._root / name).rename(gone)
        shutil.rmtree(gone)

    def clean(self) -> None:
        for path in self._root.glob(f"{_UNFINISHED}*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / _LOCK).open("w") as lock:
            _take(lock, str(self._root))
            yield

    def _unfinished(self, name: str) -> Path:
        return self._root / f"{_UNFINISHED}{name}-{secrets.token_hex(4)}"


class ObjectPlace(Place):
    """A prefix in an object store, by any file system of fsspec that shows an object only when all of it is there."""

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0]
        if protocol not in _OBJECT_STORES:
            raise ConfigError(
                f"files cannot be replaced in one step at {protocol}://",
                where="push.destinations",
                next_step=f"name a folder, or a URL of an object store: {', '.join(_OBJECT_STORES[:-1])}",
            )
        try:
            import fsspec

            self._fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False, **_options(protocol))
        except ImportError as error:
            raise ConfigError(
                f"what writes to {protocol}:// is not installed",
                where="push.destinations",
                next_step=_EXTRAS.get(protocol, f"install the fsspec package of {protocol}://"),
            ) from error
        self._protocol, self._root = protocol, path.rstrip("/")
        if protocol in _S3:
            self._fs.retries = min(self._fs.retries, _MOST_TRIES)

    def __str__(self) -> str:
        return f"{self._protocol}://{self._root.lstrip('/')}"

    def names(self) -> tuple[str, ...]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._root, detail=False)
        except FileNotFoundError:
            return ()
        return tuple(sorted({PurePosixPath(name).name for name in found} - {PurePosixPath(self._root).name, ""}))

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    def open(self, name: str) -> IO[bytes]:
        file: IO[bytes] = self._fs.open(self._path(name), "rb")
        return file

    def replace(self, name: str, data: bytes, found: bytes | None) -> None:
        condition = self._condition(name)
        if self.read(name) != found:
            raise Changed(name)
        try:
            self._fs.pipe_file(self._path(name), data, **condition)
        except FileExistsError as error:
            raise Changed(name) from error
        except OSError as error:
            if any(code in str(error) for code in _PRECONDITION_FAILED):
                raise Changed(name) from error
            raise

    def _condition(self, name: str) -> dict[str, str]:
        """What makes the store itself refuse, where the object is another by then than the one that is read next."""
        if self._protocol not in _S3:
            return {}
        try:
            return {"IfMatch": self._fs.info(self._path(name))["ETag"]}
        except FileNotFoundError:
            return {"IfNoneMatch": "*"}

    def sizes(self, name: str) -> Mapping[str, int]:
        folder = self._path(name)
        found: Mapping[str, Any] = self._fs.find(folder, detail=True)
        return {path[len(folder) :].lstrip("/"): int(info["size"]) for path, info in found.items()}

    def begin(self, name: str, last: str) -> str:
        self.remove(name, last)  # what an upload that was killed left
        return name

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        with self._fs.open(self._path(name), "wb") as file:
            yield file

    def finish(self, begun: str, name: str) -> None:
        del begun, name  # it appeared with its last file

    def remove(self, name: str, last: str) -> None:
        for remove in (lambda: self._fs.rm_file(self._path(f"{name}/{last}")), lambda: self._remove_all(name)):
            with suppress(FileNotFoundError):
                remove()

    def _remove_all(self, name: str) -> None:
        self._fs.rm(self._path(name), recursive=True)

    def clean(self) -> None:
        pass  # what is unfinished lies under its own name, and is written again or removed as it is

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _options(protocol: str) -> dict[str, Any]:
    """How long its client waits, where fsspec's own configuration (``FSSPEC_S3``) does not say."""
    if protocol not in _S3:
        return {}
    from fsspec.config import conf

    return {"config_kwargs": {**_IMPATIENT, **conf.get(protocol, {}).get("config_kwargs", {})}}


def _take(lock: IO[str], where: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel however the process ends
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise DestinationError(
                    "another process has been writing into the folder for long",
                    where=where,
                    next_step="wait for it, then: mlcore models publish <pipeline>",
                ) from error
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
