"""What a source of files holds now: which files are which span's, told from earlier versions without reading them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from mlcore.core.digests import digest_json
from mlcore.core.patterns import fill
from mlcore.core.types import SPAN_FRAGMENT, Json
from mlcore.core.window import Grain, Span, iso
from mlcore.ingest.paths import FileSource, Place, find_place, holds_many, rooted, span_path
from mlcore.ingest.places import File, digest_of, is_set, is_url, list_files

_REMOTE_LOOKS = 8
"""So many spans are looked for at once where each look waits for a server."""


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
    """The files of the spans, in their order. Files that hold several spans are looked at once for all of them.

    Raises:
        DataError: It cannot be told which there are.
    """
    finder = _Finder(source, root, marker, part=holds_many(source.path, grain))
    if not any(is_url(pattern) for pattern in (source.path, marker or "")):
        return [finder.look(span) for span in spans]
    with ThreadPoolExecutor(_REMOTE_LOOKS) as threads:
        return list(threads.map(finder.look, spans))


class _Finder:
    """Looks for spans, from several threads at once: a place that was looked at is not looked at again."""

    def __init__(self, source: FileSource, root: Path, marker: str | None, *, part: bool) -> None:
        self._source, self._root, self._marker, self._part = source, root, marker, part
        self._place = cache(find_place)
        self._digests: dict[str, str] = {}

    def look(self, span: Span) -> Found | Absent:
        if self._marker is not None:
            says = rooted(fill(self._marker, span, key="data.complete.marker"), self._root)
            if not self._place(says):
                return Absent(span=span, place=says, reason="are not complete (no marker file)")
        asked = span_path(self._source, span, self._root)
        place = self._place(asked)
        return Absent(span=span, place=asked, reason="have no file") if place is None else self._found(span, place)

    def _found(self, span: Span, place: Place) -> Found:
        changed = [file.changed for file in place.files if file.changed is not None]
        return Found(
            span=span,
            uri=f"{place.path}{SPAN_FRAGMENT}{span.label}" if self._part else place.path,
            version=place.version,
            stamp=stamp_of(place.path, place.files),
            delivered=max(changed, default=datetime.now(UTC)),
            digest=lambda: self._digest(span, place),
        )

    def _digest(self, span: Span, place: Place) -> str:
        digest = self._digests.get(place.path)
        if digest is None:
            digest = self._digests[place.path] = digest_of(place.path, place.files)
        return digest_json([digest, iso(span.start), iso(span.end)]) if self._part else digest


def stamp_of(path: str, files: Sequence[File]) -> dict[str, Json]:
    """What tells, without reading them, whether the files of a place were written since.

    That of one file is its own mark; of several the number, the bytes and a digest of their names and marks. Where a
    file system tells nothing, for instance a web server without ETags, the content is read all the same.

    Raises:
        DataError: A file cannot be read.
    """
    if not all(file.mark for file in files):
        return {"content": digest_of(path, files)}
    if not is_set(path, files):
        return dict(files[0].mark)
    marks: list[Json] = [[file.path, dict(file.mark)] for file in files]
    return {
        "files": len(files),
        "size_bytes": sum(file.size_bytes or 0 for file in files),
        "marks": digest_json(marks),
    }


def stamp_now(uri: str) -> dict[str, Json]:
    """The stamp of what a recorded place holds now; empty where there is nothing.

    Raises:
        DataError: It cannot be told.
    """
    path = uri.split(SPAN_FRAGMENT, 1)[0]
    files = list_files(path)
    return stamp_of(path, files) if files else {}


def file_stamp(path: Path) -> dict[str, Json]:
    """The stamp of a local file that is there."""
    return stamp_now(str(path))
