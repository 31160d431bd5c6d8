"""What was known of spans before they were corrected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import takewhile

from sqlalchemy import Connection

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactType
from mlcore.core.window import Span
from mlcore.errors import ArtifactMissing
from mlcore.metadata import sources as records
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import source_name


def previous_statistics(session: Session, config: PipelineConfig, read: Sequence[Artifact]) -> tuple[Artifact, ...]:
    """The statistics of the version before each source version that a run read, in span order.

    Spans that were never corrected have none, nor have those whose earlier version was never profiled, or is not kept.
    """
    now = {version.span: version for version in read if version.span is not None}
    with session.metadata.begun() as connection:
        recorded = records.versions(connection, config.name, source_name(config), list(now))
        before = {
            (span, version.digest)
            for span, versions in recorded.items()
            for version in _version_before(versions, now[span])
        }
        earlier = _made(connection, config, before, ArtifactType.SOURCE_FILE, ArtifactType.EXAMPLES)
        corrected = {(span, now[span].digest) for span in earlier}
        present = _made(connection, config, corrected, ArtifactType.SOURCE_FILE, ArtifactType.EXAMPLES)
        # the same rows in other bytes are no correction
        profiled = {
            (span, artifact.digest)
            for span, artifact in earlier.items()
            if span not in present or present[span].digest != artifact.digest
        }
        if config.data.history:
            enriched = _made(connection, config, profiled, ArtifactType.EXAMPLES, ArtifactType.EXAMPLES)
            profiled = {(span, artifact.digest) for span, artifact in enriched.items()}
        statistics = _made(connection, config, profiled, ArtifactType.EXAMPLES, ArtifactType.STATISTICS)
    kept = []
    for span in sorted(statistics):
        with suppress(ArtifactMissing):
            session.artifacts.verify(statistics[span])
            kept.append(statistics[span])
    return tuple(kept)


def _version_before(versions: Sequence[Artifact], read: Artifact) -> Sequence[Artifact]:
    """The last version before the one that was read, of other content, where there is one."""
    ordered = sorted(versions, key=lambda version: (int(str(version.properties.get("version", 0))), version.id))
    earlier = takewhile(lambda version: version.id != read.id, ordered)
    return [version for version in earlier if version.digest != read.digest][-1:]


def _made(
    connection: Connection,
    config: PipelineConfig,
    inputs: Collection[tuple[Span, str]],
    source: ArtifactType,
    type_: ArtifactType,
) -> dict[Span, Artifact]:
    """What was made of each span's content, by span, where anything was."""
    digests = sorted({digest for _, digest in inputs})
    if not digests:
        return {}
    found = records.made_of(connection, config.name, digests, source=source, type=type_)
    return {span: found[span, digest] for span, digest in inputs if (span, digest) in found}
