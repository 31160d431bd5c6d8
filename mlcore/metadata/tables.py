"""The tables of the metadata store, in the words of ML Metadata.

    pipeline/run contexts --association--> execution --event--> artifact <--attribution-- contexts

An execution names its pipeline and its run: contexts, associations and attributions follow from that, and are views.
What must always hold is held by the database (see the migrations): legal state transitions; published artifacts and
ended executions that do not change; one producer an artifact; a cache that knows LIVE outputs only; one champion a
pipeline, which is what an alias history that only grows says.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from mlcore.core.types import ArtifactState, EventType, ExecutionState

metadata = MetaData()
SIGHTING = Sequence("sighting_seq", metadata=metadata)
_MOMENT = DateTime(timezone=True)


def _one_of(column: str, values: type[ArtifactState] | type[ExecutionState] | type[EventType]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


artifact = Table(
    "artifact",
    metadata,
    _id(),
    Column("type", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("digest", Text),
    Column("pipeline", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("span_start", _MOMENT),
    Column("span_end", _MOMENT),
    Column("properties", JSONB, nullable=False, server_default=text("'{}'")),
    Column("created_at", _MOMENT, nullable=False, server_default=func.now()),
    Column("sighting", BigInteger),  # of a source file: greater than of any that was found at its place before
    _one_of("state", ArtifactState),
    CheckConstraint("state <> 'LIVE' OR digest IS NOT NULL", name="live_has_digest"),
    CheckConstraint("(span_start IS NULL) = (span_end IS NULL) AND span_start < span_end", name="span_is_whole"),
    Index("artifact_by_type", "pipeline", "type", "id"),
    Index("source_by_uri", "pipeline", "uri", postgresql_where=text("type = 'SourceFile'")),
    Index(
        "one_record_a_source_version",
        "pipeline",
        "uri",
        "digest",
        unique=True,
        postgresql_where=text("type = 'SourceFile'"),
    ),
)
execution = Table(
    "execution",
    metadata,
    _id(),
    Column("component", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("fingerprint", Text),
    Column("state", Text, nullable=False),
    Column("parameters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("origin", JSONB, nullable=False, server_default=text("'{}'")),
    Column("error", Text),
    Column("started_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    Column("finished_at", _MOMENT),
    _one_of("state", ExecutionState),
    CheckConstraint("(state IN ('NEW', 'RUNNING')) = (finished_at IS NULL)", name="finished_has_time"),
    Index("execution_by_run", "pipeline", "run", "id"),
    Index("execution_by_fingerprint", "fingerprint"),
    Index("execution_under_way", "state", postgresql_where=text("state IN ('NEW', 'RUNNING')")),
)
event = Table(
    "event",
    metadata,
    Column("execution_id", BigInteger, ForeignKey("execution.id"), primary_key=True),
    Column("artifact_id", BigInteger, ForeignKey("artifact.id"), primary_key=True),
    Column("type", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("index", Integer, nullable=False),
    _one_of("type", EventType),
    Index("event_by_artifact", "artifact_id", "type"),
    Index("one_producer", "artifact_id", unique=True, postgresql_where=text("type = 'OUTPUT'")),
)
execution_cache = Table(
    "execution_cache",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("execution_id", BigInteger, ForeignKey("execution.id"), nullable=False),
    Index("execution_cache_by_execution", "execution_id"),
)
