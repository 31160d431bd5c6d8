"""Releases in a folder or a bucket, for servers that watch one.

<url>/<pipeline>/
├── champion.json           which release the alias means: replaced in one step, see Pointer
├── 4-1f0a2b3c4d5e/         a release: whole, or without manifest.json and not to be used
│   ├── manifest.json       what it is, and digest and size of every other file
│   ├── model/              the Model, its TransformGraph inside
│   └── ...                 evaluation, schema, environment, as in an exported archive
└── 5-9c8b7a6d5e4f/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mlcore.core.digests import PREFIX, digest_json
from mlcore.core.types import Json
from mlcore.deployment.archive import MANIFEST, Manifest
from mlcore.deployment.destinations.base import Destination, Overtaken, Pointer, Release
from mlcore.deployment.destinations.places import Changed, LocalPlace, ObjectPlace, Place
from mlcore.errors import DestinationError, quoted

MODEL = "model"
_POINTER = ".json"
_CHUNK_BYTES = 1 << 20


class FolderDestination(Destination):
    """A folder or a bucket. ``url``: where; ``keep``: so many of the newest releases stay; ``format``: see the base."""

    def __init__(self, pipeline: str, options: Mapping[str, Json], place: Place | None = None) -> None:
        super().__init__(pipeline, options)
        self.format = str(options.get("format", "mlcore"))
        self._keep = int(str(options.get("keep", 3)))
        self._place = place or place_of(f"{str(options['url']).rstrip('/')}/{pipeline}")

    def exclusive(self) -> AbstractContextManager[None]:
        return self._place.exclusive()

    def state(self) -> Mapping[str, Pointer]:
        return read_pointers(self._place)

    def publish(self, release: Release) -> bool:
        found = _manifest(self._place, release.name)
        if found is not None and not _shallow_flaws(self._place, release.name, found, release.digest):
            return False
        self._place.clean()
        with release.open() as contents:
            begun = self._place.begin(release.name, MANIFEST)
            entries = {}
            for name, source in sorted(contents.files.items()):
                self.in_time()
                entries[name] = self._put(f"{begun}/{name}", source)
            manifest = Manifest(about=contents.about, files=entries)
            if model_digest(manifest) != release.digest:
                raise DestinationError(
                    "the model's files are not those that were registered",
                    where=release.name,
                    next_step="put them back from a backup, or run its window again",
                )
            self._put(f"{begun}/{MANIFEST}", manifest.to_json())
            self._place.finish(begun, release.name)
        return True

    def _put(self, name: str, source: Path | bytes) -> tuple[str, int]:
        state, size = hashlib.sha256(), 0
        with self._place.writing(name) as target:
            for chunk in _chunks(source):
                state.update(chunk)
                size += len(chunk)
                target.write(chunk)
        return PREFIX + state.hexdigest(), size

    def point(self, pointer: Pointer, found: Pointer | None) -> None:
        name = f"{pointer.alias}{_POINTER}"
        overtaken = Overtaken(
            f"{name} was changed by somebody else meanwhile",
            where=str(self._place),
            next_step=f"mlcore models publish {self.pipeline}",
        )
        data = self._place.read(name)
        if found != (None if data is None else Pointer.from_json(data, where=f"{self._place}/{name}")):
            raise overtaken
        try:
            self._place.replace(name, pointer.to_json(), data)
        except Changed as error:
            raise overtaken from error

    def tidy(self, needed: Set[str]) -> int:
        """Remove but the newest releases and those needed; what killed processes left unfinished goes, too."""
        self._place.clean()
        numbers = {name: number for name in self._place.names() if (number := _version_of(name)) is not None}
        whole = [name for name in sorted(numbers, key=lambda name: (-numbers[name], name)) if self._is_whole(name)]
        old = sorted(numbers.keys() - needed - set(whole[: self._keep]))
        for name in old:
            self.in_time()
            self._place.remove(name, MANIFEST)
        return len(old)

    def _is_whole(self, name: str) -> bool:
        return self._place.read(f"{name}/{MANIFEST}") is not None

    def flaws(self, pointer: Pointer) -> Iterator[str]:
        yield from release_flaws(self._place, pointer.release, pointer.digest)


def place_of(url: str) -> Place:
    """The place of a path or URL.

    Raises:
        ConfigError: It is of a kind that cannot replace a file in one step, or what writes there is not installed.
    """
    if "://" in url and not url.startswith("file://"):
        return ObjectPlace(url)
    return LocalPlace(Path(url.removeprefix("file://")))


def read_pointers(place: Place) -> dict[str, Pointer]:
    """The pointers of a place, by alias.

    Raises:
        DestinationError: One cannot be read.
    """
    found = {}
    for name in place.names():
        if name.endswith(_POINTER):
            pointer = read_pointer(place, name.removesuffix(_POINTER))
            if pointer is not None:
                found[pointer.alias] = pointer
    return found


def read_pointer(place: Place, alias: str) -> Pointer | None:
    """What an alias means at a place; ``None`` where it shows no such alias.

    Raises:
        DestinationError: It cannot be read.
    """
    where = f"{place}/{alias}{_POINTER}"
    data = place.read(f"{alias}{_POINTER}")
    pointer = None if data is None else Pointer.from_json(data, where=where)
    if pointer is not None and pointer.alias != alias:
        raise DestinationError(
            f"a pointer is of alias {quoted(pointer.alias)}, not {alias}", where=where, next_step="remove it"
        )
    return pointer


def release_flaws(place: Place, name: str, digest: str) -> Iterator[str]:
    """What is wrong with a release, in words, by every byte of it; ``digest`` is the model's."""
    try:
        yield from _flaws(place, name, digest)
    except FileNotFoundError:
        yield f"release {name}: files were removed while they were looked at"


def _flaws(place: Place, name: str, digest: str) -> Iterator[str]:
    manifest = _manifest(place, name)
    if manifest is None:
        yield f"release {name} has no {MANIFEST} that can be read: it is not whole"
        return
    shallow = _shallow_flaws(place, name, manifest, digest)
    yield from (f"release {name}: {one}" for one in shallow)
    for file, expected in () if shallow else manifest.files.items():
        if _digest(place, f"{name}/{file}") != expected:
            yield f"release {name}: the bytes of {file} are not those that the {MANIFEST} names"


def read_manifest(place: Place, name: str) -> Manifest:
    """What a release says of itself.

    Raises:
        DestinationError: It is not whole.
    """
    manifest = _manifest(place, name)
    if manifest is None:
        raise DestinationError(
            f"release {name} is not whole", where=str(place), next_step="mlcore models publish <pipeline>"
        )
    return manifest


def _manifest(place: Place, name: str) -> Manifest | None:
    """``None`` where there is none, or none that makes sense."""
    data = place.read(f"{name}/{MANIFEST}")
    try:
        document: Any = json.loads(data) if data is not None else None
        if document is None:
            return None
        files = {str(key): (str(one["digest"]), int(one["bytes"])) for key, one in document["files"].items()}
        return Manifest(about=dict(document["about"]), files=files)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _shallow_flaws(place: Place, name: str, manifest: Manifest, digest: str) -> list[str]:
    """Without a look into the files."""
    found = []
    if model_digest(manifest) != digest:
        found.append(f"its model is not {digest}")
    sizes = {file: size for file, size in place.sizes(name).items() if file != MANIFEST}
    expected = {file: size for file, (_, size) in manifest.files.items()}
    wrong = sorted(file for file in sizes.keys() | expected.keys() if sizes.get(file) != expected.get(file))
    if wrong:
        found.append(f"{quoted(wrong[0])} is missing, or not as large as the {MANIFEST} says, or not in it")
    return found


def model_digest(manifest: Manifest) -> str:
    """Of the Model artifact, by the digests of its files: see :func:`mlcore.artifacts.digests.digest_folder`."""
    below = f"{MODEL}/"
    return digest_json(
        {name.removeprefix(below): digest for name, (digest, _) in manifest.files.items() if name.startswith(below)}
    )


def _version_of(name: str) -> int | None:
    number, dash, _ = name.partition("-")
    return int(number) if dash and number.isdecimal() else None


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _digest(place: Place, name: str) -> tuple[str, int]:
    state, size = hashlib.sha256(), 0
    with place.open(name) as file:
        while chunk := file.read(_CHUNK_BYTES):
            state.update(chunk)
            size += len(chunk)
    return PREFIX + state.hexdigest(), size
