"""What was removed on purpose: when, and by which policy. It stays recorded as an artifact, with its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from mlcore.core.types import ArtifactState
from mlcore.metadata.registry_tables import removal
from mlcore.metadata.tables import artifact


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """One artifact's.

    Attributes:
        reason: What let it go, in words.
    """

    artifact_id: int
    reason: str
    removed_at: datetime


def remove(connection: Connection, ids: Sequence[int], reason: str) -> None:
    """Mark artifacts as DELETED, which the database then takes out of the cache, and record why."""
    if not ids:
        return
    connection.execute(update(artifact).where(artifact.c.id.in_(ids)).values(state=ArtifactState.DELETED.value))
    connection.execute(insert(removal), [{"artifact_id": id_, "reason": reason} for id_ in ids])


def find_removals(connection: Connection, ids: Sequence[int]) -> dict[int, Removal]:
    """By the id of an artifact, of those that were removed on purpose."""
    rows = connection.execute(select(removal).where(removal.c.artifact_id.in_(ids)))
    return {
        row.artifact_id: Removal(artifact_id=row.artifact_id, reason=row.reason, removed_at=row.removed_at)
        for row in rows
    }
