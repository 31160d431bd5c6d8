"""What a version rests on, where it lies now; and whether ``mlcore gc`` removed it, when, and by which policy.

A version names the artifacts it was registered with. One that was removed may have been made again since, to the last
byte: :meth:`mlcore.metadata.store.MetadataStore.present` finds that one in its place.
"""

from __future__ import annotations

from pathlib import Path

from mlcore.core.types import Artifact
from mlcore.core.window import iso
from mlcore.errors import ArtifactMissing
from mlcore.metadata.removals import find_removals
from mlcore.runtime.session import Session


def kept_folder(session: Session, artifact: Artifact) -> Path:
    """The folder of an artifact whose files are those that were published.

    Raises:
        ArtifactMissing: They are gone; says who removed them.
        ArtifactError: They changed, or cannot be read.
    """
    verify_kept(session, artifact)
    return session.artifacts.path(artifact.uri)


def verify_kept(session: Session, artifact: Artifact) -> None:
    """Check that an artifact's files are those that were published.

    Raises:
        ArtifactMissing: They are gone; says who removed them.
        ArtifactError: They changed, or cannot be read.
    """
    try:
        session.artifacts.verify(artifact, deep=True)
    except ArtifactMissing as error:
        words = why_removed(session, artifact)
        if not words:
            raise
        raise ArtifactMissing(
            f"the {artifact.type} {artifact.digest} {words}",
            where=error.where,
            next_step="put its folder back from a backup, or run its window again, which makes the same;"
            " `retention` in the pipeline's file says what is kept",
        ) from error


def why_removed(session: Session, artifact: Artifact) -> str:
    """In words that go on after its name; empty where ``mlcore gc`` did not remove it."""
    with session.metadata.begun() as connection:
        removal = find_removals(connection, [artifact.id]).get(artifact.id)
    return "" if removal is None else f"was removed by mlcore gc at {iso(removal.removed_at)} ({removal.reason})"
