"""Where outputs lie: fresh folders that nobody knows of until a transaction names them.

<root>/<pipeline>/<Component>/<execution id>-<random>/<output name>/...
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from upath import UPath

from mlcore.artifacts.digests import digest_file, digest_folder, files_below
from mlcore.core.types import Artifact, ArtifactType
from mlcore.errors import ArtifactCorrupt, ArtifactError, ArtifactMissing

__all__ = ["ArtifactStore", "digest_file"]

_PREFIX_PARTS = 3


class ArtifactStore:
    """Folders below one root: a local folder or any fsspec URL.

    Args:
        root: For instance ``/srv/mlcore/artifacts`` or ``s3://bucket/mlcore``.
    """

    def __init__(self, root: str) -> None:
        self._local = "://" not in root or root.startswith("file://")
        # Remote folders have the interface of a Path, though not its type.
        self._root = Path(root.removeprefix("file://")) if self._local else cast("Path", UPath(root))

    def fresh(self, pipeline: str, component: str, execution_id: int) -> str:
        """A prefix that no other execution ever gets, relative to the root."""
        return f"{pipeline}/{component}/{execution_id}-{secrets.token_hex(4)}"

    def path(self, uri: str) -> Path:
        """The place of an artifact; a source file's is absolute."""
        return self._root / uri

    def folder(self, uri: str) -> Path:
        """Make the folder to write an output into.

        Raises:
            ArtifactError: It cannot be made.
        """
        path = self.path(uri)
        with _writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, uri: str) -> str:
        """Bring an output's files to the disk and tell their digest.

        Raises:
            ArtifactError: Nothing was written, or it cannot be brought to the disk.
        """
        path = self.path(uri)
        files = files_below(path)
        if not files:
            raise ArtifactError(
                "a component wrote nothing into one of its outputs",
                where=uri,
                next_step="its run must write at least one file into every output it declares",
            )
        if self._local:
            with _writing(path):
                _sync([*files, *{file.parent for file in files}, path.parent, path.parent.parent])
        return digest_folder(path)

    def verify(self, artifact: Artifact, *, deep: bool = False) -> None:
        """Check that an artifact's files are there; ``deep``: and that they are the ones that were published.

        Raises:
            ArtifactMissing: They are gone.
            ArtifactCorrupt: They changed.
        """
        path = self.path(artifact.uri)
        source = artifact.type is ArtifactType.SOURCE_FILE
        if not (path.is_file() if source else _has_files(path)):
            raise ArtifactMissing(
                f"the files of {artifact.type.value} {artifact.id} of {artifact.pipeline} are gone",
                where=str(path),
                next_step="deliver the file again"
                if source
                else "put them back from a backup, or run the window they were made for again: they are made anew",
            )
        if deep and (digest_file(path) if source else digest_folder(path)) != artifact.digest:
            raise ArtifactCorrupt(
                f"the files of {artifact.type.value} {artifact.id} of {artifact.pipeline} are not those published",
                where=str(path),
                next_step="put them back from a backup, or delete the folder and run again",
            )

    def delete(self, uri: str) -> None:
        """Remove a folder; nothing happens when it is gone already."""
        path = self.path(uri)
        if self._local:
            shutil.rmtree(path, ignore_errors=True)
        elif path.exists():
            remote = cast("UPath", path)
            remote.fs.rm(remote.path, recursive=True)

    def prefixes(self) -> Iterator[str]:
        """Every execution's prefix there is, known to anybody or not."""
        for pipeline in _folders(self._root):
            for component in _folders(pipeline):
                for execution in _folders(component):
                    yield "/".join(execution.parts[-_PREFIX_PARTS:])

    def size_bytes(self, uri: str) -> int:
        return sum(file.stat().st_size for file in files_below(self.path(uri)))


def _folders(path: Path) -> list[Path]:
    return sorted((child for child in path.iterdir() if child.is_dir()), key=str) if path.is_dir() else []


def _has_files(path: Path) -> bool:
    return path.is_dir() and any(True for _ in path.iterdir())


def _sync(paths: list[Path]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise ArtifactError(
            "the disk is full" if full else f"the artifact store cannot be written: {error.strerror or error}",
            where=str(path),
            next_step="free some space (mlcore gc --dry-run shows what can go) and run again: nothing was published"
            if full
            else "check that the folder named by MLCORE_ARTIFACTS may be written, then run again",
        ) from error
