"""Garbage: files of executions that were killed before they published, or whose outputs were given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from mlcore.artifacts.store import ArtifactStore
from mlcore.metadata.store import MetadataStore

DEFAULT_MIN_AGE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """A folder that no published output lies in."""

    uri: str
    size_bytes: int
    reason: str


def collect(
    artifacts: ArtifactStore,
    metadata: MetadataStore,
    *,
    dry_run: bool,
    min_age_seconds: float = DEFAULT_MIN_AGE_SECONDS,
) -> tuple[Garbage, ...]:
    """Remove the folders that no LIVE artifact lies in and no running execution writes to.

    Executions whose process died are closed first: nobody holds the lock of their fingerprint any more.

    Args:
        artifacts: Whose folders.
        metadata: Who says what is published.
        dry_run: Say what would be removed, and remove and close nothing.
        min_age_seconds: Executions that began later are left alone.
    """
    if not dry_run:
        metadata.close_dead(older_than=timedelta(seconds=min_age_seconds))
    # The folders are listed before the executions are asked for: one that begins in between is not among them.
    prefixes = list(artifacts.prefixes())
    running = metadata.running()
    live = {_prefix(uri) for uri in metadata.live_uris()}
    found = tuple(
        Garbage(uri=prefix, size_bytes=artifacts.size_bytes(prefix), reason="no published output lies here")
        for prefix in prefixes
        if prefix not in live and _execution_id(prefix) not in running
    )
    if not dry_run:
        for garbage in found:
            artifacts.delete(garbage.uri)
    return found


def _prefix(uri: str) -> str:
    return uri.rsplit("/", 1)[0]


def _execution_id(prefix: str) -> int:
    """The execution a folder is named after; -1 for a folder that is named otherwise."""
    name = prefix.rsplit("/", 1)[-1].split("-", 1)[0]
    return int(name) if name.isdecimal() else -1
