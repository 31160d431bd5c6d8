"""What a server reads of a folder or bucket that releases are published to: by pointer, byte by byte checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlcore.core.digests import PREFIX
from mlcore.core.types import Json
from mlcore.deployment.destinations.base import Pointer, release_name
from mlcore.deployment.destinations.folder import (
    MODEL,
    model_digest,
    place_of,
    read_manifest,
    read_pointer,
    read_pointers,
)
from mlcore.errors import DestinationError, NoChampion, quoted

_NAME = re.compile(rf"{MODEL}(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A release that a pointer leads to.

    Attributes:
        about: What it is, as its manifest says.
        files: Digest and size in bytes of the model's files, by name.
    """

    pointer: Pointer
    about: Mapping[str, Json]
    files: Mapping[str, tuple[str, int]]


class Shelf:
    """A pipeline's folder, for reading. What it raises of its server may be of any class.

    Args:
        url: As in ``push.destinations``: a path or a URL.
        pipeline: Whose releases.
    """

    def __init__(self, url: str, pipeline: str) -> None:
        self._pipeline = pipeline
        self._place = place_of(f"{url.rstrip('/')}/{pipeline}")

    def pointers(self) -> dict[str, Pointer]:
        """Every alias that leads somewhere."""
        return {alias: found for alias, found in read_pointers(self._place).items() if found.version is not None}

    def pointer(self, alias: str) -> Pointer:
        """Where an alias leads now: one small file is read.

        Raises:
            NoChampion: Nowhere.
            DestinationError: It cannot be read.
        """
        found = read_pointer(self._place, alias)
        if found is None or found.version is None:
            raise NoChampion(
                f"no {alias} of {self._pipeline} is published",
                where=str(self._place),
                next_step=f"see push.destinations of the pipeline, then: mlcore models publish {self._pipeline}",
            )
        return found

    def release(self, pointer: Pointer) -> Published:
        """What a pointer leads to.

        Raises:
            DestinationError: It is not whole, or holds another model.
        """
        manifest = read_manifest(self._place, pointer.release)
        if model_digest(manifest) != pointer.digest or pointer.version is None:
            raise self._refused(f"release {pointer.release} holds another model than its pointer says")
        if not pointer.release.startswith(release_name(pointer.version, pointer.digest)):
            raise self._refused(f"release {pointer.release} has another name than its pointer's digest")
        files = {name: found for name, found in manifest.files.items() if name.startswith(f"{MODEL}/")}
        for name in files:
            if not _NAME.fullmatch(name):
                raise self._refused(f"a file of the model has a name that leads elsewhere: {quoted(name)}")
        return Published(pointer=pointer, about=manifest.about, files=files)

    def fetch(self, published: Published, folder: Path) -> Path:
        """Copy a release's model into a folder of this machine, and check every byte.

        Returns:
            Where the model is.

        Raises:
            DestinationError: A file is not what the manifest says.
            OSError: It cannot be read, or not written.
        """
        for name, (digest, size) in published.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if self._copy(f"{published.pointer.release}/{name}", target, most=size) != (digest, size):
                raise self._refused(f"the bytes of {name} are not those that the manifest names")
        return folder / MODEL

    def _copy(self, name: str, target: Path, *, most: int) -> tuple[str, int]:
        state, size = hashlib.sha256(), 0
        with self._place.open(name) as source, target.open("wb") as file:
            while size <= most and (chunk := source.read(_CHUNK_BYTES)):
                state.update(chunk)
                size += len(chunk)
                file.write(chunk)
        return PREFIX + state.hexdigest(), size

    def _refused(self, what: str) -> DestinationError:
        return DestinationError(what, where=str(self._place), next_step=f"mlcore models publish {self._pipeline}")
