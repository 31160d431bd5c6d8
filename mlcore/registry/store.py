"""Model versions and the champion: who is it, who was it, and who may become it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text

from mlcore.core.types import Json
from mlcore.errors import MetadataError, NoChampion
from mlcore.metadata.locks import lock_key
from mlcore.metadata.registry_tables import alias, alias_history, model_version
from mlcore.metadata.store import MetadataStore
from mlcore.registry.records import (
    AliasMove,
    Candidate,
    ModelVersion,
    MoveKind,
    Push,
    PushOutcome,
    left_behind,
)

__all__ = [
    "CHAMPION",
    "AliasMove",
    "Candidate",
    "ModelVersion",
    "MoveKind",
    "Push",
    "PushOutcome",
    "Registry",
    "promote",
]

CHAMPION = "champion"


def promote(connection: Connection, candidate: Candidate) -> Push:
    """Register a candidate and move the champion alias to it.

    Withheld, unless forced, where the champion was trained on newer data or a person took the alias from the candidate.
    Runs inside the caller's transaction; pushes of one pipeline wait for each other, so there is one serial history.
    """
    _serialize(connection, candidate.pipeline)
    version = _register(connection, candidate)
    champion = _champion(connection, candidate.pipeline)
    if champion is not None and champion.version == version:
        return Push(outcome=PushOutcome.UNCHANGED, version=version, reason=f"version {version} is the champion already")
    objection = _objection(connection, candidate, version, champion)
    if objection and not candidate.force:
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=f"withheld: {objection}")
    _move(
        connection,
        candidate.pipeline,
        MoveKind.FORCE if objection else MoveKind.PUSH,
        champion,
        version,
        actor=candidate.run,
        reason=candidate.reason,
        evidence=candidate.evidence,
    )
    return Push(outcome=PushOutcome.PROMOTED, version=version, reason=candidate.reason)


def _serialize(connection: Connection, pipeline: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(f"registry {pipeline}")})


def _objection(connection: Connection, candidate: Candidate, version: int, champion: ModelVersion | None) -> str:
    if champion is not None and champion.train_end > candidate.train_end:
        return (
            f"champion {champion.version} was trained on data up to {champion.train_end:%Y-%m-%d}, "
            f"version {version} up to {candidate.train_end:%Y-%m-%d}"
        )
    if version in _left_behind(connection, candidate.pipeline):
        return f"a person took the alias from version {version}"
    return ""


def _left_behind(connection: Connection, pipeline: str) -> frozenset[int]:
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
    return left_behind((MoveKind(row.kind), row.to_version, row.train_end) for row in connection.execute(query))


def _register(connection: Connection, candidate: Candidate) -> int:
    """The version of the candidate's digest, a new one when it has none."""
    known = connection.scalar(
        select(model_version.c.version).where(
            model_version.c.pipeline == candidate.pipeline, model_version.c.digest == candidate.digest
        )
    )
    if known is not None:
        return int(known)
    newest = connection.scalar(
        select(func.coalesce(func.max(model_version.c.version), 0)).where(
            model_version.c.pipeline == candidate.pipeline
        )
    )
    version = int(newest or 0) + 1
    connection.execute(
        insert(model_version).values(
            pipeline=candidate.pipeline,
            version=version,
            artifact_id=candidate.artifact_id,
            evaluation_id=candidate.evaluation_id,
            digest=candidate.digest,
            train_start=candidate.train_start,
            train_end=candidate.train_end,
            window_end=candidate.window_end,
            run=candidate.run,
        )
    )
    return version


def _move(
    connection: Connection,
    pipeline: str,
    kind: MoveKind,
    champion: ModelVersion | None,
    version: int,
    *,
    actor: str,
    reason: str,
    evidence: Mapping[str, Json],
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
            evidence=dict(evidence),
        )
    )


def _champion(connection: Connection, pipeline: str) -> ModelVersion | None:
    row = connection.execute(
        select(model_version)
        .join(alias, (alias.c.pipeline == model_version.c.pipeline) & (alias.c.version == model_version.c.version))
        .where(alias.c.pipeline == pipeline, alias.c.alias == CHAMPION)
    ).one_or_none()
    return None if row is None else _to_version(row)


def _to_version(row: Row[Any]) -> ModelVersion:
    return ModelVersion(**{name: row._mapping[name] for name in ModelVersion.__dataclass_fields__})


def _to_move(row: Row[Any]) -> AliasMove:
    values = {name: row._mapping[name] for name in AliasMove.__dataclass_fields__}
    return AliasMove(**{**values, "kind": MoveKind(row.kind)})


class Registry:
    """Who is champion and who was. Pushes write it inside their publishing transaction (:func:`promote`)."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store

    def champion(self, pipeline: str) -> ModelVersion | None:
        """The model in production now."""
        with self._store.begun() as connection:
            return _champion(connection, pipeline)

    def versions(self, pipeline: str) -> tuple[ModelVersion, ...]:
        """Every version, oldest first."""
        query = select(model_version).where(model_version.c.pipeline == pipeline).order_by(model_version.c.version)
        with self._store.begun() as connection:
            return tuple(_to_version(row) for row in connection.execute(query))

    def history(self, pipeline: str) -> tuple[AliasMove, ...]:
        """Every move of an alias, oldest first."""
        query = select(alias_history).where(alias_history.c.pipeline == pipeline).order_by(alias_history.c.id)
        with self._store.begun() as connection:
            return tuple(_to_move(row) for row in connection.execute(query))

    def baseline(
        self, pipeline: str, *, as_of: datetime, evaluation_start: datetime, exclude_digest: str | None = None
    ) -> ModelVersion | None:
        """The champion of a time: the newest model promoted by then that has not seen what it is judged on.

        A version that a person took the alias from is none: what comes next is compared with what replaced it.

        Args:
            pipeline: Whose champion.
            as_of: Its window had ended by this moment.
            evaluation_start: It was trained on nothing from here on.
            exclude_digest: Not this model: nothing is compared with itself.
        """
        promoted = select(alias_history.c.to_version).where(
            alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION
        )
        query = (
            select(model_version)
            .where(model_version.c.pipeline == pipeline, model_version.c.version.in_(promoted))
            .where(model_version.c.window_end <= as_of, model_version.c.train_end <= evaluation_start)
            .order_by(model_version.c.train_end.desc(), model_version.c.version.desc())
            .limit(1)
        )
        if exclude_digest is not None:
            query = query.where(model_version.c.digest != exclude_digest)
        with self._store.begun() as connection:
            row = connection.execute(
                query.where(model_version.c.version.not_in(_left_behind(connection, pipeline)))
            ).one_or_none()
        return None if row is None else _to_version(row)

    def rollback(self, pipeline: str, to_version: int, *, actor: str, reason: str) -> ModelVersion:
        """Make an earlier champion the champion again; those that came after it do not return by themselves.

        Raises:
            NoChampion: The pipeline has no champion.
            MetadataError: The version never was champion, or is it now.
        """
        with self._store.begun() as connection:
            _serialize(connection, pipeline)
            champion = _champion(connection, pipeline)
            if champion is None:
                raise NoChampion(f"pipeline {pipeline} has no champion to roll back from")
            target = connection.execute(
                select(model_version)
                .where(model_version.c.pipeline == pipeline, model_version.c.version == to_version)
                .where(_was_champion(pipeline, to_version))
            ).one_or_none()
            if target is None or to_version == champion.version:
                raise MetadataError(
                    f"version {to_version} of {pipeline} is no earlier champion",
                    next_step=f"mlcore models history {pipeline} lists those that are",
                )
            _move(
                connection, pipeline, MoveKind.ROLLBACK, champion, to_version, actor=actor, reason=reason, evidence={}
            )
        return _to_version(target)


def _was_champion(pipeline: str, version: int) -> Any:
    return (
        select(alias_history.c.id)
        .where(alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION)
        .where(alias_history.c.to_version == version)
        .exists()
    )
