"""What a source of files holds now: which file is which span's, told from its earlier versions without reading it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from mlcore.artifacts.store import digest_file
from mlcore.core.digests import digest_json
from mlcore.core.types import SPAN_FRAGMENT, Json
from mlcore.core.window import EPOCH, Grain, Span, iso
from mlcore.ingest.paths import FileSource, fill, holds_many, newest_file, span_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A span as its source holds it now.

    Attributes:
        uri: Where; the same for every version that replaces another in place.
        version: The number that the source itself gives it; 0 where it gives none.
        stamp: Equal stamps of one uri: it was not written since.
        delivered: When it came to be there, as far as the source knows.
        digest: Digest of its content; reads all of it, and is asked for only where the stamp is a new one.
    """

    span: Span
    uri: str
    version: int
    stamp: Mapping[str, Json]
    delivered: datetime
    digest: Callable[[], str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """A span that is not there yet, and what was looked for."""

    span: Span
    place: str
    reason: str


def find_files(
    source: FileSource, spans: Sequence[Span], root: Path, *, grain: Grain, marker: str | None = None
) -> list[Found | Absent]:
    """The files of the spans, in their order. A file that holds several spans is digested once for all of them."""
    part = holds_many(source.path, grain)
    digest = cache(digest_file)
    return [_look(span, span_path(source, span, root), root, digest, marker=marker, part=part) for span in spans]


def _look(
    span: Span, place: Path, root: Path, digest: Callable[[Path], str], *, marker: str | None, part: bool
) -> Found | Absent:
    if marker is not None:
        says = root / fill(marker, span, key="data.complete.marker")
        if not says.is_file():
            return Absent(span=span, place=str(says), reason="are not complete (no marker file)")
    file = newest_file(place)
    if file is None:
        return Absent(span=span, place=str(place), reason="have no file")
    path, version = file
    found = find_file(span, path, version=version, digest=digest)
    if not part:
        return found
    return replace(found, uri=f"{path}{SPAN_FRAGMENT}{span.label}", digest=lambda: _of_part(digest(path), span))


def find_file(span: Span, path: Path, *, version: int = 0, digest: Callable[[Path], str] = digest_file) -> Found:
    """A file that is there, as a span's."""
    return Found(
        span=span,
        uri=str(path),
        version=version,
        stamp=file_stamp(path),
        delivered=_changed(path),
        digest=lambda: digest(path),
    )


def file_stamp(path: Path) -> dict[str, Json]:
    """Size, times and inode: a file written in place keeps the inode, one put in its place does not.

    The time of the last change of the inode cannot be set by a user, that of the last modification can.
    """
    status = path.stat()
    return {
        "size_bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": getattr(status, "st_ctime_ns", 0),
        "inode": getattr(status, "st_ino", 0),
    }


def _changed(path: Path) -> datetime:
    status: os.stat_result = path.stat()
    newest = max(status.st_mtime_ns, getattr(status, "st_ctime_ns", 0))
    return EPOCH + timedelta(microseconds=newest // 1000) if newest else datetime.now(UTC)


def _of_part(digest: str, span: Span) -> str:
    return digest_json([digest, iso(span.start), iso(span.end)])
