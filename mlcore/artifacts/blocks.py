"""What neighbouring spans left, merged once and kept: a long window is then merged from few parts.

    <root>/<pipeline>/_merged/<kind>/<key>    a line of JSON, then what the spans' states make together

Eight spans that stand next to each other make a block, and eight such blocks a larger one, by the spans' numbers: a
window of 365 spans is merged from about thirty parts, and the next day from nearly the same. A block is a cache and
nothing more: whoever does not find one merges its parts, with the same result to the last byte.

- Its name is the digest of its parts' digests and of the code that merges. A corrected span has another digest and so
  makes another block; what is there is never changed.
- It is written under another name and renamed. Two runs at once write equal bytes, one after the other; a run that is
  killed leaves a file that nobody reads.
- Its first line holds the digest of what follows: a block that is not what was written counts as none.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Generic, TypeVar

from mlcore.artifacts.store import ArtifactStore
from mlcore.core.digests import canonical_json, digest_bytes, digest_json

__all__ = ["Block", "Blocks", "Merging", "Part", "blocks_below"]

_LOG = logging.getLogger(__name__)
_FOLDER = "_merged"
_GROUP = 8
_SIZES = (_GROUP * _GROUP, _GROUP)
_UNFINISHED = ".new-"
State = TypeVar("State")


@dataclass(frozen=True, kw_only=True, slots=True)
class Merging(Generic[State]):
    """How states of a kind are read, merged and written.

    Merging in any grouping of neighbours must give the same bytes: ``merge([merge([a, b]), c]) == merge([a, b, c])``.
    """

    kind: str
    read: Callable[[Path], State]
    merge: Callable[[Sequence[State]], State]
    to_bytes: Callable[[State], bytes]
    from_bytes: Callable[[bytes], State]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one span left.

    Attributes:
        number: Of the span, counted in the pipeline's grain.
        digest: Of the artifact.
        name: Of the folder in the artifact, where it has one for every split; otherwise empty.
        folder: Where it lies.
    """

    number: int
    digest: str
    folder: Path
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A file below a ``_merged`` folder.

    Attributes:
        code: Digest of the code that made it; ``None`` where the file is damaged or was never finished.
        parts: Digests of the artifacts it was made of.
        age_seconds: Since it was written; 0 where the store does not tell.
    """

    uri: str
    size_bytes: int
    code: str | None
    parts: frozenset[str]
    age_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Blocks:
    """The blocks of one pipeline.

    Attributes:
        code: Digest of the code that merges: what other code made is not read.
    """

    store: ArtifactStore
    pipeline: str
    code: str

    def merged(self, parts: Sequence[Part], merging: Merging[State]) -> State:
        """All parts together, in their order, which is that of their numbers; one part at least."""
        numbers = [part.number for part in parts]
        if numbers != sorted(numbers):
            return merging.merge([merging.read(part.folder) for part in parts])
        return merging.merge(list(self._states(parts, merging, numbers[0], numbers[-1] + 1, _SIZES)))

    def _states(
        self, parts: Sequence[Part], merging: Merging[State], start: int, end: int, sizes: Sequence[int]
    ) -> Iterator[State]:
        """One state for every aligned group of ``sizes[0]`` numbers between ``start`` and ``end``; else for smaller."""
        if not sizes:
            yield from (merging.read(part.folder) for part in parts)
            return
        size = sizes[0]
        for group, members in groupby(parts, key=lambda part: part.number // size):
            some = list(members)
            if len(some) > 1 and start <= group * size and (group + 1) * size <= end:
                yield self._block(some, merging, group * size, sizes)
            else:
                yield from self._states(some, merging, start, end, sizes[1:])

    def _block(self, parts: Sequence[Part], merging: Merging[State], start: int, sizes: Sequence[int]) -> State:
        """The state of the group that starts there, from its block; the block is made where there is none."""
        key = digest_json(
            {"kind": merging.kind, "code": self.code, "parts": [[part.digest, part.name] for part in parts]}
        )
        uri = f"{self.pipeline}/{_FOLDER}/{merging.kind}/{key.rsplit(':', 1)[-1]}"
        content = self._found(uri)
        if content is not None:
            return merging.from_bytes(content)
        state = merging.merge(list(self._states(parts, merging, start, start + sizes[0], sizes[1:])))
        self._keep(uri, merging.to_bytes(state), parts)
        return state

    def _found(self, uri: str) -> bytes | None:
        try:
            content = self.store.path(uri).read_bytes()
        except OSError:  # not there, collected just now, or unreadable: it can be made again
            return None
        line, _, rest = content.partition(b"\n")
        header = _header(line)
        if header is None or header["content"] != digest_bytes(rest):
            _LOG.warning("a block of merged spans is damaged, and is made again: %s", uri)
            return None
        return rest

    def _keep(self, uri: str, content: bytes, parts: Sequence[Part]) -> None:
        """Without it the run goes on: the block is made again when it is asked for."""
        header = canonical_json(
            {
                "code": self.code,
                "parts": [*sorted({part.digest for part in parts})],
                "content": digest_bytes(content),
            }
        )
        path = self.store.path(uri)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self.store.local:
                path.write_bytes(b"\n".join([header, content]))  # an object is there when all of it is
                return
            unfinished = path.with_name(f"{_UNFINISHED}{secrets.token_hex(8)}")
            try:
                unfinished.write_bytes(b"\n".join([header, content]))
                unfinished.replace(path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as error:
            _LOG.warning("a block of merged spans cannot be kept: %s: %s", error.strerror or error, uri)


def blocks_below(store: ArtifactStore, pipelines: Collection[str]) -> Iterator[Block]:
    """Every block of these pipelines, also what was never finished."""
    now = time.time()
    for pipeline in sorted(pipelines):
        root = store.path(f"{pipeline}/{_FOLDER}")
        for path in sorted(root.glob("*/*"), key=str) if root.is_dir() else ():
            try:
                with path.open("rb") as file:
                    status, line = path.stat(), file.readline()
            except OSError:
                continue  # collected by another, or renamed just now
            header = None if path.name.startswith(_UNFINISHED) else _header(line)
            yield Block(
                uri=f"{pipeline}/{_FOLDER}/{path.parent.name}/{path.name}",
                size_bytes=status.st_size,
                code=header["code"] if header else None,
                parts=frozenset(header["parts"]) if header else frozenset(),
                age_seconds=max(now - float(getattr(status, "st_mtime", now)), 0.0),
            )


def _header(line: bytes) -> dict[str, str] | None:
    """The first line, where it is one of a block."""
    try:
        header = json.loads(line)
        return dict(header) if {"code", "parts", "content"} <= header.keys() else None
    except (ValueError, AttributeError, TypeError):
        return None
