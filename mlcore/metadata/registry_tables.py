"""The registry's tables, beside those of the metadata store and in its transactions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from mlcore.metadata.tables import metadata

_MOMENT = DateTime(timezone=True)

model_version = Table(
    "model_version",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("artifact_id", BigInteger, ForeignKey("artifact.id"), nullable=False),
    Column("evaluation_id", BigInteger, ForeignKey("artifact.id"), nullable=False),
    Column("schema_id", BigInteger, ForeignKey("artifact.id")),  # none: registered by an earlier release
    Column("config", JSONB, nullable=False, server_default=text("'{}'")),  # the pipeline's file, as it was then
    Column("digest", Text, nullable=False),
    Column("train_start", _MOMENT, nullable=False),
    Column("train_end", _MOMENT, nullable=False),
    Column("window_end", _MOMENT, nullable=False),
    Column("run", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("pipeline", "digest", name="one_version_a_digest"),
    CheckConstraint("version > 0", name="versions_count_from_one"),
    CheckConstraint("train_start < train_end AND train_end <= window_end", name="evaluated_after_training"),
)
alias = Table(
    "alias",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["pipeline", "version"], ["model_version.pipeline", "model_version.version"]),
    CheckConstraint("alias = lower(alias)", name="aliases_are_lower_case"),
    CheckConstraint("alias ~ '^[a-z][a-z0-9_-]{0,62}$'", name="alias_is_a_name"),
)
alias_history = Table(
    "alias_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_version", Integer),
    Column("to_version", Integer),  # none: the alias is removed
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", JSONB, nullable=False, server_default=text("'{}'")),
    Column("moved_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    ForeignKeyConstraint(["pipeline", "to_version"], ["model_version.pipeline", "model_version.version"]),
    ForeignKeyConstraint(
        ["pipeline", "from_version"],
        ["model_version.pipeline", "model_version.version"],
        name="alias_history_from_version",
    ),
    CheckConstraint("kind IN ('PUSH', 'FORCE', 'ROLLBACK', 'SET', 'REMOVE')", name="kind_known"),
    CheckConstraint("(alias = 'champion') = (kind IN ('PUSH', 'FORCE', 'ROLLBACK'))", name="kind_of_alias"),
    CheckConstraint("(kind = 'REMOVE') = (to_version IS NULL)", name="removed_is_nowhere"),
    CheckConstraint("alias NOT IN ('previous', 'latest') AND alias !~ '^v[0-9]+$'", name="alias_is_free"),
    Index("alias_history_by_alias", "pipeline", "alias", "id"),
)
push_history = Table(
    "push_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("pushed_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    ForeignKeyConstraint(["pipeline", "version"], ["model_version.pipeline", "model_version.version"]),
    CheckConstraint("outcome IN ('PROMOTED', 'UNCHANGED', 'WITHHELD', 'PENDING', 'CHALLENGER')", name="outcome_known"),
    Index("push_history_by_version", "pipeline", "version", "id"),
)
pin_history = Table(
    "pin_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("version", Integer),  # none: unpinned
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("pinned_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    ForeignKeyConstraint(["pipeline", "version"], ["model_version.pipeline", "model_version.version"]),
    Index("pin_history_by_pipeline", "pipeline", "id"),
)
approval_history = Table(
    "approval_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("artifact_id", BigInteger, ForeignKey("artifact.id")),  # the Blessing
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("said_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("verdict IN ('REQUESTED', 'APPROVED', 'REJECTED')", name="verdict_known"),
    CheckConstraint("(verdict = 'REQUESTED') = (artifact_id IS NULL)", name="verdict_is_a_blessing"),
    Index("approval_history_by_digest", "pipeline", "digest", "id"),
)
challenge_history = Table(
    "challenge_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("move_id", BigInteger, ForeignKey("alias_history.id"), nullable=False),  # which made it the challenger
    Column("challenger", Integer, nullable=False),
    Column("champion", Integer, nullable=False),
    Column("look", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("until", _MOMENT, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("spent", Double, nullable=False),
    Column("artifact_id", BigInteger, ForeignKey("artifact.id"), nullable=False),  # the Evaluation
    Column("reason", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("looked_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
    ForeignKeyConstraint(["pipeline", "challenger"], ["model_version.pipeline", "model_version.version"]),
    ForeignKeyConstraint(["pipeline", "champion"], ["model_version.pipeline", "model_version.version"]),
    CheckConstraint("verdict IN ('CONTINUED', 'PASSED', 'REFUSED')", name="look_verdict_known"),
    CheckConstraint("look > 0", name="looks_count_from_one"),
    CheckConstraint("challenger <> champion", name="nobody_challenges_itself"),
    CheckConstraint("spent >= 0 AND spent <= 1", name="spent_is_a_share"),
    UniqueConstraint("move_id", "champion", "look", name="one_look_a_number"),
    UniqueConstraint("move_id", "champion", "until", name="one_look_a_moment"),
    Index("challenge_history_by_pipeline", "pipeline", "id"),
)
removal = Table(  # of what the registry needs no more
    "removal",
    metadata,
    Column("artifact_id", BigInteger, ForeignKey("artifact.id"), primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("removed_at", _MOMENT, nullable=False, server_default=func.clock_timestamp()),
)
