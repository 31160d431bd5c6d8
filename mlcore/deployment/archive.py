"""Model versions as one file: a ZIP archive whose bytes depend on its contents alone.

    manifest.json           what it is, and of every other entry the digest and the size
    manifest.sig            who says so, where it is signed: see :mod:`~mlcore.deployment.signature`
    model/model.skops ...   the files, uncompressed, in the order of their names

Archives come from anywhere. Before anything of one is used, :func:`unpack` has refused, by its name, every entry that
is no plain file below the archive's root, that is there twice, that is compressed (so that what is written is never
more than the archive itself), that the manifest does not name, or whose bytes are not those it names.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from mlcore.core.digests import PREFIX, canonical_json, digest_bytes, digest_chunks, is_digest
from mlcore.core.temporary import temporary_folder
from mlcore.core.types import Json
from mlcore.errors import MlcoreError, quoted

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
FORMAT = 1
MOST_BYTES = 16 * 2**30
MOST_FILES = 10_000
_MOST_MANIFEST_BYTES = 16 * 2**20
_MOST_SIGNATURE_BYTES = 1024
_MOST_READ_BYTES = 32 * 2**20
_CHUNK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PERMISSIONS = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MOST_NAME = 240
_ENCRYPTED = 0x1
REFUSED_NEXT = "nothing of it was imported; ask whoever gave it to you for another, or export it again"


class ArchiveRefused(MlcoreError):
    """An archive is none, or holds what it must not."""

    exit_code = 2


Verify = Callable[[bytes, bytes | None], None]
"""Raises where the signature, or that there is none, is not what is asked for; given the manifest's bytes first."""


def _refused(what: str, path: Path) -> ArchiveRefused:
    return ArchiveRefused(what, where=str(path), next_step=REFUSED_NEXT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What an archive says of itself.

    Attributes:
        about: What it is, for whoever wrote it and reads it.
        files: Digest and size in bytes by name.
    """

    about: Mapping[str, Json]
    files: Mapping[str, tuple[str, int]]

    def to_json(self) -> bytes:
        entries: dict[str, Json] = {
            name: {"digest": digest, "bytes": size} for name, (digest, size) in self.files.items()
        }
        return canonical_json({"format": FORMAT, "about": dict(self.about), "files": entries})


def pack(
    path: Path,
    about: Mapping[str, Json],
    files: Mapping[str, Path | bytes],
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """Write an archive; where there is one of that name it is replaced, when the new one is whole.

    Args:
        path: Where to.
        about: What it is.
        files: What is in it, by name.
        sign: Gives the signature of the manifest's bytes.

    Returns:
        The digest of the archive.

    Raises:
        ArchiveRefused: A name is none that an archive may have.
        OSError: A file cannot be read, or the archive cannot be written.
    """
    for name in files:
        _check_name(name, path)
    found = {name: _digest(content) for name, content in sorted(files.items())}
    manifest = Manifest(about=about, files=found).to_json()
    with temporary_folder("export", within=path.parent) as folder:
        unfinished = folder / path.name
        with zipfile.ZipFile(unfinished, "x", zipfile.ZIP_STORED) as archive:
            _add(archive, MANIFEST, manifest)
            if sign is not None:
                _add(archive, SIGNATURE, sign(manifest))
            for name in found:
                _add(archive, name, files[name], size=found[name][1])
        digest = _digest(unfinished)[0]
        unfinished.replace(path)
    return digest


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes, *, size: int = 0) -> None:
    info = zipfile.ZipInfo(name, date_time=_EPOCH)
    info.external_attr, info.create_system = _PERMISSIONS, _UNIX
    if isinstance(content, bytes):
        archive.writestr(info, content)
        return
    info.file_size = size  # by which it is told whether the entry needs long numbers
    with content.open("rb") as source, archive.open(info, "w") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)


def _digest(content: Path | bytes) -> tuple[str, int]:
    if isinstance(content, bytes):
        return digest_bytes(content), len(content)
    with content.open("rb") as file:
        return digest_chunks(iter(lambda: file.read(_CHUNK_BYTES), b"")), file.tell()


def archive_digest(path: Path) -> str:
    """SHA-256 of an archive's bytes.

    Raises:
        ArchiveRefused: It cannot be read.
    """
    try:
        return _digest(path)[0]
    except OSError as error:
        raise _refused(f"the archive cannot be read: {error.strerror or error}", path) from error


def unpack(path: Path, folder: Path, *, most_bytes: int = MOST_BYTES, verify: Verify | None = None) -> Manifest:
    """Check an archive and write its files below a folder, which exists and is empty.

    Args:
        path: The archive.
        folder: Nothing is written outside of it; what was written before a refusal is the caller's to remove.
        most_bytes: An archive whose files are larger in all is refused before anything is written.
        verify: Called before anything is written.

    Raises:
        ArchiveRefused: It is no archive, or holds what it must not; the message names the entry.
    """
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            entries = _checked(archive, path, most_bytes)
            manifest = _manifest(archive, entries, path)
            if verify is not None:
                verify(archive.read(MANIFEST), archive.read(SIGNATURE) if SIGNATURE in entries else None)
            for name in sorted(manifest.files):
                _write(archive, entries[name], manifest.files[name], folder / name, path)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise _refused(f"the file is no archive, or a damaged one: {quoted(str(error))}", path) from error
    except OSError as error:
        raise _refused(f"the archive cannot be read or unpacked: {error.strerror or error}", path) from error
    return manifest


class _Bounded(io.FileIO):
    """A file of which nobody reads much at once: the directory of an archive is as long as the archive says."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MOST_READ_BYTES:
            raise zipfile.BadZipFile(f"a part of {size} bytes, that has no more than {_MOST_READ_BYTES}")
        return super().read(size)


def check_nested(path: Path, name: str) -> None:
    """Refuse a file that is an archive itself and holds more than it is large: reading it would fill the memory.

    Args:
        path: The file; one that is no archive is left to whoever reads it.
        name: What it is called, for the message.

    Raises:
        ArchiveRefused: An entry is compressed, or the entries share their bytes.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise _refused(f"entry {quoted(name)} is a damaged archive: {quoted(str(error))}", path) from error
    packed = [info.filename for info in infos if info.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise _refused(
            f"entry {quoted(name)} holds {quoted(packed[0])} compressed: models are stored as they are", path
        )
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise _refused(f"entry {quoted(name)} holds more bytes than it is large", path)


def _checked(archive: zipfile.ZipFile, path: Path, most_bytes: int) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise _refused(f"the archive holds {len(infos):,} entries, more than {MOST_FILES:,}", path)
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for info in infos:
        _check_entry(info, path)
        if info.filename.lower() in seen:
            raise _refused(f"entry {quoted(info.filename)} is there twice", path)
        seen.add(info.filename.lower())
        entries[info.filename] = info
    total = sum(info.file_size for info in infos)
    if total > most_bytes:
        raise _refused(f"the archive's files have {total:,} bytes, more than the {most_bytes:,} allowed", path)
    if total > path.stat().st_size:  # entries that share their bytes would be a bomb
        raise _refused(f"the archive's files have {total:,} bytes, more than the archive itself", path)
    return entries


def _check_entry(info: zipfile.ZipInfo, path: Path) -> None:
    name = info.orig_filename
    _check_name(name, path)
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _refused(f"entry {quoted(name)} is {_kind(kind)}, and no plain file", path)
    if info.flag_bits & _ENCRYPTED:
        raise _refused(f"entry {quoted(name)} is encrypted", path)
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise _refused(f"entry {quoted(name)} is compressed: what it becomes is not bounded by the archive", path)


def _kind(kind: int) -> str:
    names = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return names.get(kind, "a device")


def _check_name(name: str, path: Path) -> None:
    """A relative path of plain parts: nothing absolute, no way up, no drive, no other separator, no empty part."""
    parts = name.split("/")
    if len(name) > _MOST_NAME or not all(_PART.fullmatch(part) for part in parts):
        raise _refused(f"entry {quoted(name)} has a name that leads out of the archive, or none that is allowed", path)


def _manifest(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], path: Path) -> Manifest:
    if MANIFEST not in entries:
        raise _refused(f"the archive has no {MANIFEST}", path)
    if entries[MANIFEST].file_size > _MOST_MANIFEST_BYTES:
        raise _refused(f"the archive's {MANIFEST} is larger than {_MOST_MANIFEST_BYTES:,} bytes", path)
    if SIGNATURE in entries and entries[SIGNATURE].file_size > _MOST_SIGNATURE_BYTES:
        raise _refused(f"the archive's {SIGNATURE} is none", path)
    try:
        manifest = _parsed(json.loads(archive.read(MANIFEST), parse_constant=_no_number, parse_float=_finite))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(f"the archive's {MANIFEST} cannot be read: {quoted(str(error))}", path) from error
    unnamed, missing = entries.keys() - {MANIFEST, SIGNATURE, *manifest.files}, manifest.files.keys() - entries.keys()
    if unnamed:
        raise _refused(f"entry {quoted(min(unnamed))} is not in the {MANIFEST}", path)
    if missing:
        raise _refused(f"entry {quoted(min(missing))} of the {MANIFEST} is not there", path)
    return manifest


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _parsed(document: Any) -> Manifest:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r} is not {FORMAT}")
    files = {str(name): (str(entry["digest"]), int(entry["bytes"])) for name, entry in document["files"].items()}
    wrong = [
        name
        for name, (digest, size) in files.items()
        if not is_digest(digest) or size < 0 or name in (MANIFEST, SIGNATURE)
    ]
    if wrong:
        raise ValueError(f"the entry of {wrong[0]!r} is none")
    return Manifest(about=dict(document["about"]), files=files)


def _write(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, expected: tuple[str, int], target: Path, path: Path
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, target.open("xb") as file:
        digest, size = _copied(source, file)
    if (digest, size) != expected:
        raise _refused(f"entry {quoted(info.filename)} is not what the {MANIFEST} names: its bytes were changed", path)


def _copied(source: IO[bytes], target: IO[bytes]) -> tuple[str, int]:
    state, size = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK_BYTES):
        state.update(chunk)
        size += len(chunk)
        target.write(chunk)
    return PREFIX + state.hexdigest(), size
