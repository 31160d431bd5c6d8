"""The registry's tables within one transaction: what every move reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from mlcore.core.types import Json
from mlcore.metadata.locks import lock_key
from mlcore.metadata.registry_tables import alias, alias_history, model_version, pin_history
from mlcore.registry.records import AliasMove, ModelVersion, MoveKind, Pin, PushOutcome, PushRecord, Reign, reign

CHAMPION = "champion"


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


def move(
    connection: Connection,
    pipeline: str,
    kind: MoveKind,
    champion: ModelVersion | None,
    version: int,
    *,
    actor: str,
    reason: str,
    evidence: Mapping[str, Json] | None = None,
) -> None:
    """Append to the history; the database moves the alias with it, if it is still where ``champion`` says."""
    connection.execute(
        insert(alias_history).values(
            pipeline=pipeline,
            alias=CHAMPION,
            kind=kind.value,
            from_version=champion.version if champion else None,
            to_version=version,
            actor=actor,
            reason=reason,
            evidence=dict(evidence or {}),
        )
    )


def champion(connection: Connection, pipeline: str) -> ModelVersion | None:
    row = connection.execute(
        select(model_version)
        .join(alias, (alias.c.pipeline == model_version.c.pipeline) & (alias.c.version == model_version.c.version))
        .where(alias.c.pipeline == pipeline, alias.c.alias == CHAMPION)
    ).one_or_none()
    return None if row is None else to_version(row)


def to_version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(**{name: row._mapping[name] for name in ModelVersion.__dataclass_fields__})


def to_move(row: Row[Any]) -> AliasMove:
    values = {name: row._mapping[name] for name in AliasMove.__dataclass_fields__}
    return AliasMove(**{**values, "kind": MoveKind(row.kind)})


def to_push(row: Row[Any]) -> PushRecord:
    values = {name: row._mapping[name] for name in PushRecord.__dataclass_fields__}
    return PushRecord(**{**values, "outcome": PushOutcome(row.outcome)})


def version(connection: Connection, pipeline: str, number: int) -> ModelVersion | None:
    """One version by number."""
    row = connection.execute(
        select(model_version).where(model_version.c.pipeline == pipeline, model_version.c.version == number)
    ).one_or_none()
    return None if row is None else to_version(row)


def was_champion(connection: Connection, pipeline: str, number: int) -> bool:
    """Whether a version is, or ever was, champion."""
    found = select(alias_history.c.id).where(
        alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION, alias_history.c.to_version == number
    )
    return connection.execute(found.limit(1)).one_or_none() is not None


def add_pin(connection: Connection, pipeline: str, number: int | None, *, actor: str, reason: str) -> None:
    """Pin a version, or nothing any more."""
    connection.execute(insert(pin_history).values(pipeline=pipeline, version=number, actor=actor, reason=reason))
