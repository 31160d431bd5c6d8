"""Where outputs lie: fresh folders that nobody knows of until a transaction names them.

<root>/<pipeline>/<Component>/<execution id>-<random>/<output name>/...
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, cast

from mlcore.artifacts.digests import digest_file, digest_folder, files_below
from mlcore.core.types import SPAN_FRAGMENT, Artifact, ArtifactType
from mlcore.errors import (
    DISK_FULL,
    ArtifactCorrupt,
    ArtifactError,
    ArtifactMissing,
    MlcoreError,
    quoted,
    storage_refused,
)

__all__ = ["ArtifactStore", "digest_file", "execution_of"]

_PREFIX = re.compile(r"(?P<execution>\d+)-[0-9a-f]{8}")


def execution_of(prefix: str) -> int:
    """The execution that a prefix was made for.

    >>> execution_of("flight_delays/Trainer/12-0a1b2c3d")
    12
    """
    return int(prefix.rsplit("/", 1)[-1].split("-", 1)[0])


class ArtifactStore:
    """Folders below one root: a local folder or any fsspec URL.

    Args:
        root: For instance ``/srv/mlcore/artifacts`` or ``s3://bucket/mlcore``.
    """

    def __init__(self, root: str) -> None:
        self._local = "://" not in root or root.startswith("file://")
        # Remote folders have the interface of a Path, though not its type.
        self._root = Path(root.removeprefix("file://")).absolute() if self._local else _remote(root)

    @property
    def local(self) -> bool:
        """Whether the root is a folder of this machine."""
        return self._local

    def fresh(self, pipeline: str, component: str, execution_id: int) -> str:
        """A prefix that no other execution ever gets, relative to the root."""
        return f"{pipeline}/{component}/{execution_id}-{secrets.token_hex(4)}"

    def path(self, uri: str) -> Path:
        """The place of an artifact; a source file's is absolute.

        Raises:
            ArtifactError: A relative place would lie outside the root.
        """
        uri = uri.split(SPAN_FRAGMENT, 1)[0]
        if uri.startswith("/"):
            return Path(uri)
        if "://" in uri:
            return _remote(uri)
        parts = PurePosixPath(uri).parts
        if not parts or ".." in parts:
            raise ArtifactError(f"{quoted(uri)} is no place below the artifact store", where=str(self._root))
        return self._root.joinpath(*parts)

    def folder(self, uri: str) -> Path:
        """Make the folder to write an output into.

        Raises:
            ArtifactError: It cannot be made.
        """
        path = self.path(uri)
        with self._storing(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def writing(self, uri: str) -> Iterator[None]:
        """Around whoever writes into a folder: a full disk, or a store that may not be written, in words.

        Raises:
            ArtifactError: That was it. What else the system refuses is raised as it is.
        """
        try:
            yield
        except OSError as error:
            if not self._local and error.filename is None and error.errno not in (errno.ENOENT, *DISK_FULL):
                raise self._away(error, uri) from error
            if self._is_below(error.filename) or (error.errno in DISK_FULL and self._is_fullest()):
                raise storage_refused(error, self.path(uri)) from error
            raise

    def seal(self, uri: str) -> str:
        """Bring an output's files to the disk and tell their digest.

        Raises:
            ArtifactError: Nothing was written, a link was, or it cannot be brought to the disk.
        """
        path = self.path(uri)
        with self._storing(path):
            files = files_below(path)
            if not files:
                raise ArtifactError(
                    "a component wrote nothing into one of its outputs",
                    where=uri,
                    next_step="its run must write at least one file into every output it declares",
                )
            if self._local:
                _refuse_links(path)
                _sync(files)
                _sync(sorted({path, *(child for child in path.rglob("*") if child.is_dir()), *self._above(path)}))
            return digest_folder(path)

    def verify(self, artifact: Artifact, *, deep: bool = False) -> None:
        """Check that an artifact's files are there; ``deep``: and that they are the ones that were published.

        Raises:
            ArtifactMissing: They are gone.
            ArtifactCorrupt: They changed.
            ArtifactError: They cannot be read.
        """
        path = self.path(artifact.uri)
        source = artifact.type is ArtifactType.SOURCE_FILE
        name = f"{artifact.type.value} {artifact.id} of {artifact.pipeline}"
        try:
            if not (path.is_file() if source else _has_files(path)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            same = not deep or (digest_file(path) if source else digest_folder(path)) == artifact.digest
        except FileNotFoundError as error:
            raise ArtifactMissing(
                f"the files of {name} are gone",
                where=str(path),
                next_step="deliver the file again"
                if source
                else "put them back from a backup, or run the window they were made for again: they are made anew",
            ) from error
        except OSError as error:
            raise ArtifactError(
                f"the files of {name} cannot be read: {error.strerror or error}",
                where=str(path),
                next_step="see that this user may read the artifact store (MLCORE_ARTIFACTS), then run again",
            ) from error
        except Exception as error:
            raise self._away(error, str(path)) from error
        if not same:
            raise ArtifactCorrupt(
                f"the files of {name} are not those published",
                where=str(path),
                next_step="put them back from a backup, or delete the folder and run again",
            )

    def delete(self, uri: str) -> None:
        """Remove a folder or a file below the root; nothing happens when it is gone already.

        Raises:
            ArtifactError: It cannot be removed, or does not lie below the root.
        """
        if uri.startswith("/") or "://" in uri:
            raise ArtifactError(f"{quoted(uri)} is not the artifact store's to remove", where=str(self._root))
        path = self.path(uri)
        try:
            if self._local and path.is_file():
                path.unlink()
            elif self._local:
                shutil.rmtree(path)
            else:
                remote = cast("Any", path)
                remote.fs.rm(remote.path, recursive=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise ArtifactError(
                f"a folder cannot be removed: {error.strerror or error}",
                where=str(path),
                next_step="see that this user may write the artifact store, then run again",
            ) from error

    def prefixes(self) -> Iterator[str]:
        """Every execution's prefix there is, known to anybody or not; what else lies below the root is left out."""
        for pipeline in _folders(self._root):
            for component in _folders(pipeline):
                for execution in _folders(component):
                    if _PREFIX.fullmatch(execution.name):
                        yield f"{pipeline.name}/{component.name}/{execution.name}"

    def size_bytes(self, uri: str) -> int:
        """Bytes of the files below a folder; none where it is gone."""
        try:
            return sum(file.stat().st_size for file in files_below(self.path(uri)))
        except FileNotFoundError:
            return 0

    def usage(self) -> dict[str, int]:
        """Bytes of all files below each pipeline's folder, by its name."""
        return {
            folder.name: sum(file.stat().st_size for file in files_below(folder)) for folder in _folders(self._root)
        }

    @contextmanager
    def _storing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except MlcoreError:
            raise
        except OSError as error:
            raise storage_refused(error, path) from error
        except Exception as error:
            raise self._away(error, str(path)) from error

    def _away(self, error: Exception, where: str) -> ArtifactError:
        """What a client of an object store raises, in words; anything else as it is."""
        if self._local:
            raise error
        return ArtifactError(
            f"the artifact store does not answer, or refuses: {type(error).__name__}: {quoted(str(error), 300)}",
            where=where if "://" in where else f"{self._root}/{where}",
            next_step="see that the bucket named by MLCORE_ARTIFACTS can be reached with the credentials that are set,"
            " then run again: nothing was published",
        )

    def _above(self, path: Path) -> list[Path]:
        """The folders between the root and a path: a new one is on the disk when the folder that names it is."""
        return [parent for parent in path.parents if parent.is_relative_to(self._root)]

    def _is_fullest(self) -> bool:
        """Whether the root's disk has less room than that of temporary files: a write does not tell where it was."""
        try:
            places = (self._root, Path(tempfile.gettempdir()))
            own, other = (shutil.disk_usage(place).free for place in places)
        except OSError:
            return self._local
        return self._local and own <= other

    def _is_below(self, name: object) -> bool:
        return self._local and isinstance(name, str | os.PathLike) and Path(name).is_relative_to(self._root)


def _remote(url: str) -> Path:
    """A folder behind a URL; it has the interface of a Path, though not its type."""
    from upath import UPath  # a quarter of a second, which a store on the disk does not cost

    # What another thread or process has written since is there at once: listings are not kept.
    return cast("Path", UPath(url, use_listings_cache=False))


def _folders(path: Path) -> list[Path]:
    try:
        return sorted((child for child in path.iterdir() if child.is_dir()), key=lambda child: child.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _has_files(path: Path) -> bool:
    """Of a remote folder: ``is_dir`` would take a store that does not answer for one that has no such folder."""
    return path.is_dir() and any(True for _ in path.iterdir()) if isinstance(path, Path) else bool(files_below(path))


def _refuse_links(path: Path) -> None:
    """What a link leads to may change or go, and is not in the store."""
    links = sorted(str(child.relative_to(path)) for child in path.rglob("*") if child.is_symlink())
    if links:
        raise ArtifactError(
            f"an output holds a link: {quoted(links[0])}",
            where=str(path),
            next_step="its component must write files, or copy them",
        )


def _sync(paths: list[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
