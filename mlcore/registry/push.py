"""A run's push: register the model, and move the champion alias where nothing speaks against it."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from mlcore.metadata.registry_tables import model_version, push_history
from mlcore.registry import rows
from mlcore.registry.records import Candidate, ModelVersion, MoveKind, Push, PushOutcome


def promote(connection: Connection, candidate: Candidate) -> Push:
    """Register a candidate and move the champion alias to it; what came of it is recorded with the reason.

    Withheld while the champion is pinned; and, unless forced, where the champion was trained on newer data or a person
    took the alias from the candidate. Runs inside the caller's transaction; pushes of one pipeline wait for each other,
    so there is one serial history.
    """
    rows.serialize(connection, candidate.pipeline)
    version = _register(connection, candidate)
    push = _move(connection, candidate, version)
    connection.execute(
        insert(push_history).values(
            pipeline=candidate.pipeline,
            version=version,
            outcome=push.outcome.value,
            reason=push.reason,
            run=candidate.run,
        )
    )
    return push


def _move(connection: Connection, candidate: Candidate, version: int) -> Push:
    champion = rows.champion(connection, candidate.pipeline)
    if champion is not None and champion.version == version:
        return Push(outcome=PushOutcome.UNCHANGED, version=version, reason=f"version {version} is the champion already")
    pin = rows.pin(connection, candidate.pipeline)
    if pin is not None:
        reason = f"withheld: {pin.actor} pinned version {pin.version}: {pin.reason}"
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=reason)
    objection = _objection(connection, candidate, version, champion)
    if objection and not candidate.force:
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=f"withheld: {objection}")
    rows.move(
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


def _objection(connection: Connection, candidate: Candidate, version: int, champion: ModelVersion | None) -> str:
    if champion is not None and champion.train_end > candidate.train_end:
        return (
            f"champion {champion.version} was trained on data up to {champion.train_end:%Y-%m-%d}, "
            f"version {version} up to {candidate.train_end:%Y-%m-%d}"
        )
    if version in rows.champion_reign(connection, candidate.pipeline).left_behind:
        return f"a person took the alias from version {version}"
    return ""


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
