"""The registry's tables within one transaction: what every move reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, insert, or_, select, text

from mlcore.core.types import ArtifactState, ArtifactType, Json
from mlcore.metadata.locks import lock_key
from mlcore.metadata.registry_tables import (
    alias,
    alias_history,
    approval_history,
    model_version,
    pin_history,
    push_history,
)
from mlcore.metadata.tables import artifact
from mlcore.registry.names import CHALLENGER, CHAMPION
from mlcore.registry.records import (
    AliasMove,
    Approval,
    ModelVersion,
    MoveKind,
    Pin,
    PinMove,
    Push,
    PushOutcome,
    PushRecord,
    Reign,
    Verdict,
    reign,
)

Record = TypeVar("Record", AliasMove, Approval, ModelVersion, PinMove, PushRecord)
_ENUMS = {"kind": MoveKind, "outcome": PushOutcome, "verdict": Verdict}


def record(kind: type[Record], row: Row[Any]) -> Record:
    """A row as the record that has its columns' names."""
    values: dict[str, Any] = {field.name: row._mapping[field.name] for field in fields(kind)}
    return kind(**{**values, **{name: enum(values[name]) for name, enum in _ENUMS.items() if name in values}})


def serialize(connection: Connection, pipeline: str) -> None:
    """Whoever changes a pipeline's versions, aliases or pins waits for who does so already."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(f"registry {pipeline}")})


def champion_reign(connection: Connection, pipeline: str) -> Reign:
    """What the moves of the champion alias come to."""
    query = (
        select(alias_history.c.kind, alias_history.c.to_version, model_version.c.train_end)
        .join(
            model_version,
            (model_version.c.pipeline == alias_history.c.pipeline)
            & (model_version.c.version == alias_history.c.to_version),
        )
        .where(alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION)
        .order_by(alias_history.c.id)
    )
    return reign((MoveKind(row.kind), row.to_version, row.train_end) for row in connection.execute(query))


def pin(connection: Connection, pipeline: str) -> Pin | None:
    """The pin that is in force."""
    newest = select(pin_history).where(pin_history.c.pipeline == pipeline).order_by(pin_history.c.id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None or row.version is None:
        return None
    return Pin(version=row.version, actor=row.actor, reason=row.reason, pinned_at=row.pinned_at)


def add_pin(connection: Connection, pipeline: str, number: int | None, *, actor: str, reason: str) -> None:
    """Pin a version, or nothing any more."""
    connection.execute(insert(pin_history).values(pipeline=pipeline, version=number, actor=actor, reason=reason))


def move(
    connection: Connection,
    pipeline: str,
    name: str,
    kind: MoveKind,
    *,
    start: int | None,
    end: int | None,
    actor: str,
    reason: str,
    evidence: Mapping[str, Json] | None = None,
) -> None:
    """Append to the history; the database moves the alias with it, if it is still where ``start`` says."""
    connection.execute(
        insert(alias_history).values(
            pipeline=pipeline,
            alias=name,
            kind=kind.value,
            from_version=start,
            to_version=end,
            actor=actor,
            reason=reason,
            evidence=dict(evidence or {}),
        )
    )


def add_push(connection: Connection, pipeline: str, push: Push, run: str) -> None:
    """Record what became of a push."""
    connection.execute(
        insert(push_history).values(
            pipeline=pipeline, version=push.version, outcome=push.outcome.value, reason=push.reason, run=run
        )
    )


def approval(connection: Connection, pipeline: str, digest: str) -> Approval | None:
    """What a person said last of a model, or that one was asked to."""
    row = connection.execute(
        select(approval_history)
        .where(approval_history.c.pipeline == pipeline, approval_history.c.digest == digest)
        .order_by(approval_history.c.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else record(Approval, row)


def add_approval(
    connection: Connection,
    pipeline: str,
    digest: str,
    verdict: Verdict,
    *,
    actor: str,
    reason: str,
    artifact_id: int | None = None,
) -> None:
    """Ask a person, or record what one said."""
    connection.execute(
        insert(approval_history).values(
            pipeline=pipeline,
            digest=digest,
            verdict=verdict.value,
            artifact_id=artifact_id,
            actor=actor,
            reason=reason,
        )
    )


def placed(connection: Connection, pipeline: str) -> dict[str, int]:
    """Where each alias is; ``previous`` is none of the database's."""
    found = connection.execute(select(alias.c.alias, alias.c.version).where(alias.c.pipeline == pipeline))
    return {row.alias: row.version for row in found.all()}


def champion(connection: Connection, pipeline: str) -> ModelVersion | None:
    """The version that is champion."""
    return _at(connection, pipeline, CHAMPION)


def challenger(connection: Connection, pipeline: str) -> ModelVersion | None:
    """The version that is challenger."""
    return _at(connection, pipeline, CHALLENGER)


def _at(connection: Connection, pipeline: str, name: str) -> ModelVersion | None:
    row = connection.execute(
        select(model_version)
        .join(alias, (alias.c.pipeline == model_version.c.pipeline) & (alias.c.version == model_version.c.version))
        .where(alias.c.pipeline == pipeline, alias.c.alias == name)
    ).one_or_none()
    return None if row is None else record(ModelVersion, row)


def version(connection: Connection, pipeline: str, number: int) -> ModelVersion | None:
    """One version by number."""
    row = connection.execute(
        select(model_version).where(model_version.c.pipeline == pipeline, model_version.c.version == number)
    ).one_or_none()
    return None if row is None else record(ModelVersion, row)


def version_of(connection: Connection, pipeline: str, digest: str) -> ModelVersion | None:
    """The version that is a model, where it was registered."""
    row = connection.execute(
        select(model_version).where(model_version.c.pipeline == pipeline, model_version.c.digest == digest)
    ).one_or_none()
    return None if row is None else record(ModelVersion, row)


def has_files(connection: Connection, found: ModelVersion) -> bool:
    """Whether a version's model was not removed, or was made again."""
    again = (artifact.c.pipeline == found.pipeline) & (artifact.c.digest == found.digest)
    live = select(artifact.c.id).where(
        artifact.c.type == ArtifactType.MODEL.value,
        artifact.c.state == ArtifactState.LIVE.value,
        or_(artifact.c.id == found.artifact_id, again),
    )
    return connection.execute(live.limit(1)).one_or_none() is not None


def was_at(connection: Connection, pipeline: str, name: str, number: int) -> bool:
    """Whether an alias is, or ever was, at a version."""
    found = select(alias_history.c.id).where(
        alias_history.c.pipeline == pipeline, alias_history.c.alias == name, alias_history.c.to_version == number
    )
    return connection.execute(found.limit(1)).one_or_none() is not None
