"""Model versions and the champion: who is it, who was it, and who may become it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from mlcore.core.types import Json
from mlcore.metadata.locks import lock_key
from mlcore.metadata.registry_tables import alias, alias_history, model_version
from mlcore.metadata.store import MetadataStore

CHAMPION = "champion"


class PushOutcome(StrEnum):
    """PROMOTED: the alias moved. UNCHANGED: it was there already. WITHHELD: the champion is newer."""

    PROMOTED = "PROMOTED"
    UNCHANGED = "UNCHANGED"
    WITHHELD = "WITHHELD"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """One registered model.

    Attributes:
        version: Counts from 1 in each pipeline, without gaps.
        train_start, train_end: The data it was trained on.
        window_end: End of the data it was evaluated on.
    """

    pipeline: str
    version: int
    artifact_id: int
    evaluation_id: int
    digest: str
    train_start: datetime
    train_end: datetime
    window_end: datetime
    run: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasMove:
    """One row of an alias's history."""

    alias: str
    from_version: int | None
    to_version: int
    actor: str
    reason: str
    moved_at: datetime
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A blessed model that asks for the champion alias.

    Attributes:
        force: Take it from a newer champion too.
        evidence: What the decision rests on: ids of evaluation and blessings.
    """

    pipeline: str
    artifact_id: int
    evaluation_id: int
    digest: str
    train_start: datetime
    train_end: datetime
    window_end: datetime
    run: str
    reason: str
    force: bool = False
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What became of a candidate."""

    outcome: PushOutcome
    version: int
    reason: str


def promote(connection: Connection, candidate: Candidate) -> Push:
    """Register a candidate and move the champion alias to it, unless the champion was trained on newer data.

    Runs inside the caller's transaction; pushes of one pipeline wait for each other, so there is one serial history.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(f"registry {candidate.pipeline}")})
    version = _register(connection, candidate)
    champion = _champion(connection, candidate.pipeline)
    if champion is not None and champion.version == version:
        return Push(outcome=PushOutcome.UNCHANGED, version=version, reason=f"version {version} is the champion already")
    if champion is not None and champion.train_end > candidate.train_end and not candidate.force:
        reason = (
            f"withheld: champion {champion.version} was trained on data up to {champion.train_end:%Y-%m-%d}, "
            f"version {version} up to {candidate.train_end:%Y-%m-%d}"
        )
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=reason)
    _move(connection, candidate, champion, version)
    return Push(outcome=PushOutcome.PROMOTED, version=version, reason=candidate.reason)


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


def _move(connection: Connection, candidate: Candidate, champion: ModelVersion | None, version: int) -> None:
    pointer = upsert(alias).values(pipeline=candidate.pipeline, alias=CHAMPION, version=version)
    connection.execute(pointer.on_conflict_do_update(index_elements=["pipeline", "alias"], set_={"version": version}))
    connection.execute(
        insert(alias_history).values(
            pipeline=candidate.pipeline,
            alias=CHAMPION,
            from_version=champion.version if champion else None,
            to_version=version,
            actor=candidate.run,
            reason=candidate.reason,
            evidence=dict(candidate.evidence),
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


class Registry:
    """Reads the registry; only a push, inside its publishing transaction, writes it (:func:`promote`)."""

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
            return tuple(
                AliasMove(**{name: row._mapping[name] for name in AliasMove.__dataclass_fields__})
                for row in connection.execute(query)
            )

    def baseline(
        self, pipeline: str, *, as_of: datetime, evaluation_start: datetime, exclude_digest: str | None = None
    ) -> ModelVersion | None:
        """The champion of a time: the newest model promoted by then that has not seen what it is judged on.

        Args:
            pipeline: Whose champion.
            as_of: Its window had ended by this moment.
            evaluation_start: It was trained on nothing from here on.
            exclude_digest: Not this model: nothing is compared with itself.
        """
        promoted = exists().where(
            alias_history.c.pipeline == model_version.c.pipeline,
            alias_history.c.to_version == model_version.c.version,
            alias_history.c.alias == CHAMPION,
        )
        query = (
            select(model_version)
            .where(model_version.c.pipeline == pipeline, promoted)
            .where(model_version.c.window_end <= as_of, model_version.c.train_end <= evaluation_start)
            .order_by(model_version.c.train_end.desc(), model_version.c.version.desc())
            .limit(1)
        )
        if exclude_digest is not None:
            query = query.where(model_version.c.digest != exclude_digest)
        with self._store.begun() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _to_version(row)
