"""Garbage: files of executions that were killed before they published, or whose outputs were given up."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mlcore.artifacts.blocks import blocks_below
from mlcore.artifacts.store import ArtifactStore, execution_of
from mlcore.components.merging import CODE
from mlcore.core.temporary import abandoned
from mlcore.core.types import ArtifactState, ArtifactType
from mlcore.metadata.store import MetadataStore
from mlcore.runtime.fingerprint import code_digest

_LOG = logging.getLogger(__name__)

DEFAULT_MIN_AGE_SECONDS = 600.0
_MERGED = (ArtifactType.STATISTICS, ArtifactType.ANALYZER_STATE)
_MOST = 1_000_000
_SCRATCH_SECONDS = 7 * 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """A folder that no published output lies in, or a block of merged spans that nobody will ask for."""

    uri: str
    size_bytes: int
    reason: str


def collect(
    artifacts: ArtifactStore,
    metadata: MetadataStore,
    *,
    dry_run: bool,
    min_age_seconds: float = DEFAULT_MIN_AGE_SECONDS,
    scratch: Path | None = None,
    working: Sequence[Path] = (),
) -> tuple[Garbage, ...]:
    """Remove the folders that no LIVE artifact lies in and no running execution writes to, and stale blocks of spans.

    Executions whose process died are closed first: nobody holds the lock of their fingerprint any more. Only folders
    of executions that this metadata store knows are garbage: others may be another installation's.

    Args:
        artifacts: Whose folders.
        metadata: Who says what is published.
        dry_run: Say what would be removed, and remove and close nothing.
        min_age_seconds: Executions that began later are left alone.
        scratch: Where work that was not ended keeps what another attempt can use: that of a week ago goes, too.
        working: Where folders are made for the time of a piece of work: those that killed processes left go.

    Raises:
        ArtifactError: A folder cannot be removed.
    """
    min_age = timedelta(seconds=min_age_seconds)
    # The folders are listed before the executions are asked for: one that begins in between is not among them.
    # Who runs is asked before what is published: one that ends in between is among the published.
    prefixes = list(artifacts.prefixes())
    if dry_run:
        running = metadata.running() - metadata.dead(older_than=min_age)
    else:
        metadata.close_dead(older_than=min_age)
        running = metadata.running()
    live = {uri.rsplit("/", 1)[0] for uri in metadata.live_uris()}
    unused = [prefix for prefix in prefixes if prefix not in live and execution_of(prefix) not in running]
    found = (
        *(
            Garbage(uri=prefix, size_bytes=artifacts.size_bytes(prefix), reason="no published output lies here")
            for prefix in _known(metadata, unused)
        ),
        *_blocks(artifacts, metadata, min_age_seconds),
    )
    if not dry_run:
        for garbage in found:
            artifacts.delete(garbage.uri)
    places = working if scratch is None else (*working, scratch)
    return (*found, *_abandoned(places, min_age_seconds, dry_run=dry_run), *_scratch(scratch, dry_run=dry_run))


def _abandoned(places: Sequence[Path], min_age_seconds: float, *, dry_run: bool) -> Iterator[Garbage]:
    for folder in (left for place in places for left in abandoned(place, min_age_seconds=min_age_seconds)):
        size_bytes = sum(file.lstat().st_size for file in folder.rglob("*"))
        yield Garbage(uri=str(folder), size_bytes=size_bytes, reason="whoever worked here was killed")
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)


def _scratch(folder: Path | None, *, dry_run: bool) -> Iterator[Garbage]:
    for kept in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
        files = [file.stat() for file in (kept, *kept.rglob("*"))]
        if time.time() - max(file.st_mtime for file in files) < _SCRATCH_SECONDS:
            continue
        size_bytes = sum(file.st_size for file in files)
        yield Garbage(uri=str(kept), size_bytes=size_bytes, reason="nobody went on with this work for a week")
        if not dry_run:
            shutil.rmtree(kept, ignore_errors=True)


def _blocks(artifacts: ArtifactStore, metadata: MetadataStore, min_age_seconds: float) -> Iterator[Garbage]:
    """Merged spans that nobody will ask for: of outputs that were given up, by other code, or never finished.

    A block whose parts this metadata store never heard of may be another installation's, and is left alone.
    """
    live, gone = (
        {
            artifact.digest: artifact.pipeline
            for type_ in _MERGED
            for state in states
            for artifact in metadata.find_artifacts(type=type_, state=state, limit=_MOST)
        }
        for states in ((ArtifactState.LIVE,), (ArtifactState.ABANDONED, ArtifactState.DELETED))
    )
    code = code_digest(CODE)
    for block in blocks_below(artifacts, {*live.values(), *gone.values()}):
        reason = None
        if block.code is None:
            reason = "it was never finished, or is damaged" if block.age_seconds >= min_age_seconds else None
        elif not block.parts <= live.keys():
            reason = "a span it was merged from is given up" if block.parts <= live.keys() | gone.keys() else None
        elif block.code != code:
            reason = "other code merged it"
        if reason:
            yield Garbage(uri=block.uri, size_bytes=block.size_bytes, reason=reason)


def _known(metadata: MetadataStore, prefixes: Collection[str]) -> list[str]:
    makers = metadata.makers({execution_of(prefix) for prefix in prefixes})
    known = [prefix for prefix in prefixes if makers.get(execution_of(prefix)) == prefix.rsplit("/", 1)[0]]
    if len(known) < len(prefixes):
        _LOG.warning("%d folders are left alone: no execution here made them", len(prefixes) - len(known))
    return known
