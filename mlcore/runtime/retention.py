"""Outputs that are old and that nothing needs: their files are removed, what they were is not forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mlcore.artifacts.store import ArtifactStore
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.config.retention import Retention
from mlcore.errors import ConfigError
from mlcore.metadata.removals import remove
from mlcore.metadata.store import MetadataStore
from mlcore.registry.needed import Removable, removable
from mlcore.runtime.gc import Garbage

_LOG = logging.getLogger(__name__)


def expire(
    artifacts: ArtifactStore,
    metadata: MetadataStore,
    pipeline: str,
    policy: Retention,
    *,
    dry_run: bool,
    now: datetime | None = None,
) -> tuple[Garbage, ...]:
    """Remove what the policy does not keep and nothing needs.

    It stays recorded, DELETED, with its digest, with when it was removed, and by which policy.

    One transaction marks everything; then the files go. Whoever is killed in between leaves folders that no LIVE
    artifact lies in, which :func:`mlcore.runtime.gc.collect` removes.

    Args:
        artifacts: Whose files.
        metadata: Who says what is needed.
        pipeline: Whose outputs.
        policy: What is kept although nothing needs it.
        dry_run: Say what would be removed, and remove and mark nothing.
        now: The clock, by which ``policy.max_age`` is counted.

    Raises:
        ArtifactError: A folder cannot be removed.
    """
    since = (now or datetime.now(UTC)) - policy.max_age
    with metadata.begun() as connection:
        found = removable(
            connection,
            pipeline,
            since=since,
            keep_runs=policy.keep_runs,
            keep_champions=policy.keep_champions,
            keep_ancestors=policy.keep_ancestors,
        )
        if not dry_run:
            remove(connection, [id_ for one in found for id_ in one.artifacts], _said(policy))
    garbage = tuple(_garbage(artifacts, one) for one in found)
    if not dry_run:
        for one in garbage:
            artifacts.delete(one.uri)
    return garbage


def _said(policy: Retention) -> str:
    """For the record: what of each kind was kept then."""
    kept = policy.model_dump(mode="json")
    return "retention: " + ", ".join(f"{name} {value}" for name, value in kept.items())


def _garbage(artifacts: ArtifactStore, one: Removable) -> Garbage:
    return Garbage(
        uri=one.prefix,
        size_bytes=artifacts.size_bytes(one.prefix),
        reason=f"{one.type}: older than retention.max_age, of no recent run, needed by nothing",
    )


def expire_all(
    artifacts: ArtifactStore, metadata: MetadataStore, pipelines: Path, *, only: str | None = None, dry_run: bool
) -> Iterator[Garbage]:
    """The same for every pipeline whose file, or the platform's, says how long to keep what; or for ``only`` one.

    Raises:
        ConfigError: There is no pipeline ``only``. A file that is wrong keeps no other pipeline from being looked at.
    """
    for name in pipeline_names(pipelines) if only is None else (only,):
        try:
            policy = find_pipeline(pipelines, name).retention
        except ConfigError as error:
            if only is not None:
                raise
            _LOG.warning("nothing of %s is removed: %s", name, error)
            continue
        if policy is not None:
            yield from expire(artifacts, metadata, name, policy, dry_run=dry_run)
