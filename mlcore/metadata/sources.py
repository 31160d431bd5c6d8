"""What is recorded of source data: the versions of spans, and the moments of the runs that made something of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, DateTime, cast, exists, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, EventType, ExecutionState, Json
from mlcore.core.window import Span
from mlcore.metadata.records import to_artifact
from mlcore.metadata.tables import artifact, event, execution

GATHERER = "ExampleGen"
SETTLERS = ("Trainer", "DriftMonitor")
"""Components whose outputs settle what the moment of their run knew."""
_ENDED_WELL = (ExecutionState.COMPLETE.value, ExecutionState.CACHED.value)


def versions(connection: Connection, pipeline: str, source: str, spans: Sequence[Span]) -> dict[Span, list[Artifact]]:
    """The recorded versions of each span that has any, of one source, in the order they were first seen."""
    if not spans:
        return {}
    query = (
        select(artifact)
        .where(artifact.c.type == ArtifactType.SOURCE_FILE.value, artifact.c.pipeline == pipeline)
        .where(artifact.c.span_start >= min(span.start for span in spans))
        .where(artifact.c.span_end <= max(span.end for span in spans))
        .where(artifact.c.properties["source"].astext == source)
        .order_by(artifact.c.id)
    )
    wanted, found = set(spans), defaultdict(list)
    for row in connection.execute(query):
        recorded = to_artifact(row)
        if recorded.span in wanted:
            found[recorded.span].append(recorded)
    return dict(found)


def sightings(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """In which order source versions were last found at their places: a file may hold an earlier version again."""
    query = select(artifact.c.id, artifact.c.sighting).where(artifact.c.id.in_(ids))
    return {row.id: row.sighting for row in connection.execute(query)}


def settled(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[datetime]]:
    """By source version, the moments of runs that read it and went on to make a model or a drift report."""
    later, maker = execution.alias("later"), execution.alias("maker")
    same_run = (later.c.pipeline == execution.c.pipeline) & (later.c.run == execution.c.run)
    made = (
        exists()
        .where(maker.c.pipeline == execution.c.pipeline, maker.c.run == execution.c.run, maker.c.id > execution.c.id)
        .where(maker.c.component.in_(SETTLERS), maker.c.state.in_(_ENDED_WELL))
        .where(
            # A run that read its spans again before it made anything knew what it read last.
            ~exists()
            .where(same_run, later.c.component == GATHERER, later.c.fingerprint.is_(None))
            .where(later.c.state.in_(_ENDED_WELL), later.c.id > execution.c.id, later.c.id < maker.c.id)
            .correlate_except(later)
        )
        .correlate_except(maker)
    )
    query = (
        select(event.c.artifact_id, cast(execution.c.origin["as_of"].astext, DateTime(timezone=True)).label("as_of"))
        .join(execution, execution.c.id == event.c.execution_id)
        .where(event.c.artifact_id.in_(ids), event.c.type == EventType.INPUT.value)
        .where(execution.c.component == GATHERER, execution.c.fingerprint.is_(None))
        .where(execution.c.state.in_(_ENDED_WELL), execution.c.origin.has_key("as_of"), made)
        .distinct()
    )
    moments: dict[int, set[datetime]] = defaultdict(set)
    for row in connection.execute(query):
        moments[row.artifact_id].add(row.as_of)
    return {id_: frozenset(found) for id_, found in moments.items()}


def examples(connection: Connection, ids: Sequence[int]) -> dict[int, Artifact]:
    """The newest Examples that were made of each source version, where any were."""
    read, made = event.alias("read"), event.alias("made")
    query = (
        select(read.c.artifact_id.label("source_id"), artifact)
        .join(made, made.c.execution_id == read.c.execution_id)
        .join(artifact, artifact.c.id == made.c.artifact_id)
        .where(read.c.artifact_id.in_(ids), read.c.type == EventType.INPUT.value)
        .where(made.c.type == EventType.OUTPUT.value, artifact.c.type == ArtifactType.EXAMPLES.value)
        .order_by(artifact.c.id)
    )
    return {row.source_id: to_artifact(row) for row in connection.execute(query)}


def made_of(
    connection: Connection,
    pipeline: str,
    digests: Sequence[str],
    *,
    source: ArtifactType,
    type: ArtifactType,
    preferred: Mapping[str, Json] | None = None,
) -> dict[tuple[Span, str], Artifact]:
    """The newest output that a span component made of each content, by the span and the content's digest.

    Args:
        connection: To the store.
        pipeline: Whose.
        digests: Of the inputs. What was made of one of them stands for all that are equal.
        source: What the inputs are.
        type: What was made.
        preferred: Parameters of the component: what was made with these is taken before anything newer.
    """
    read, made, origin = event.alias("read"), event.alias("made"), artifact.alias("origin")
    wanted = execution.c.parameters == literal(None if preferred is None else dict(preferred), JSONB)
    query = (
        select(origin.c.digest.label("origin_digest"), artifact)
        .join(made, made.c.artifact_id == artifact.c.id)
        .join(execution, execution.c.id == made.c.execution_id)
        .join(read, read.c.execution_id == made.c.execution_id)
        .join(origin, origin.c.id == read.c.artifact_id)
        .where(artifact.c.pipeline == pipeline, artifact.c.type == type.value)
        .where(artifact.c.state == ArtifactState.LIVE.value)
        .where(made.c.type == EventType.OUTPUT.value, read.c.type == EventType.INPUT.value)
        .where(origin.c.type == source.value, origin.c.digest.in_(digests))
        .order_by(*([] if preferred is None else [wanted]), artifact.c.id)
    )
    found = {}
    for row in connection.execute(query):
        output = to_artifact(row)
        if output.span is not None:
            found[output.span, row.origin_digest] = output
    return found
