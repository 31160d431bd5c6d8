"""A run's push: register the model, and move the champion alias where nothing speaks against it."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from mlcore.errors import MetadataError
from mlcore.metadata.registry_tables import model_version
from mlcore.registry import rows
from mlcore.registry.names import CHALLENGER, CHAMPION
from mlcore.registry.records import Candidate, ModelVersion, MoveKind, Push, PushOutcome, Verdict


def promote(connection: Connection, candidate: Candidate) -> Push:
    """Register a candidate and move the champion alias to it; what came of it is recorded with the reason.

    Withheld while the champion is pinned; unless forced, where the champion was trained on newer data, a person took
    the alias from the candidate, or one rejected it; pending where one has to approve of it and has not said anything,
    forced or not. Runs inside the caller's transaction; pushes of one pipeline wait for each other, so there is one
    serial history.
    """
    rows.serialize(connection, candidate.pipeline)
    version = _register(connection, candidate)
    push = take_alias(connection, candidate, version)
    rows.add_push(connection, candidate.pipeline, push, candidate.run)
    return push


def register_imported(connection: Connection, candidate: Candidate) -> int:
    """Register a version that another installation made; returns its number.

    No alias moves: a person may promote it by name. Where it came from is kept as the reason of a withheld push.
    """
    rows.serialize(connection, candidate.pipeline)
    version = _register(connection, candidate)
    push = Push(outcome=PushOutcome.WITHHELD, version=version, reason=candidate.reason)
    rows.add_push(connection, candidate.pipeline, push, candidate.run)
    return version


def decide(
    connection: Connection,
    pipeline: str,
    version: ModelVersion,
    *,
    approved: bool,
    artifact_id: int,
    actor: str,
    reason: str,
) -> Push:
    """Record what a person said of a version that waits for it; one that is approved is pushed then.

    Args:
        connection: The transaction that publishes the Blessing.
        pipeline: Whose version.
        version: Which.
        approved: What was said.
        artifact_id: The Blessing.
        actor: Who said it.
        reason: Why.

    Raises:
        MetadataError: The version waits for no approval.
    """
    rows.serialize(connection, pipeline)
    check_pending(connection, version)
    answer(connection, pipeline, version.digest, approved=approved, artifact_id=artifact_id, actor=actor, reason=reason)
    candidate = Candidate(
        **{
            name: getattr(version, name)
            for name in (
                "pipeline", "artifact_id", "evaluation_id", "digest", "train_start", "train_end", "window_end", "run",
            )
        },
        reason=f"approved by {actor}: {reason}",
        needs_approval=True,
        evidence={"evaluation": version.evaluation_id, "approval": artifact_id},
    )  # fmt: skip
    push = take_alias(connection, candidate, version.version, actor=actor)
    rows.add_push(connection, pipeline, push, candidate.run)
    return push


def answer(
    connection: Connection, pipeline: str, digest: str, *, approved: bool, artifact_id: int, actor: str, reason: str
) -> None:
    """Record what a person said of a model that its run will push, registered or not.

    Raises:
        MetadataError: Somebody answered before.
    """
    rows.serialize(connection, pipeline)
    said = rows.approval(connection, pipeline, digest)
    if said is not None and said.verdict is not Verdict.REQUESTED:
        raise MetadataError(
            f"the model was {said.verdict.lower()} by {said.actor} before: {said.reason}",
            where=digest,
            next_step=f"see: mlcore models history {pipeline}",
        )
    verdict = Verdict.APPROVED if approved else Verdict.REJECTED
    rows.add_approval(connection, pipeline, digest, verdict, actor=actor, reason=reason, artifact_id=artifact_id)


def check_pending(connection: Connection, version: ModelVersion) -> None:
    """That a version waits for a person.

    Raises:
        MetadataError: It does not: nobody is asked, or somebody has answered.
    """
    said = rows.approval(connection, version.pipeline, version.digest)
    if said is None or said.verdict is not Verdict.REQUESTED:
        name = f"version {version.version} of {version.pipeline}"
        answered = said and f"{name} was {said.verdict.lower()} by {said.actor}: {said.reason}"
        raise MetadataError(
            answered or f"{name} waits for no approval",
            next_step=f"mlcore models promote {version.pipeline} {version.version} --reason <why> moves the champion"
            " by name",
        )


def objection(connection: Connection, candidate: Candidate) -> str:
    """What speaks against a candidate's being champion, whatever a person says of it; empty for nothing."""
    champion = rows.champion(connection, candidate.pipeline)
    pin = rows.pin(connection, candidate.pipeline)
    if pin is not None:
        return f"{pin.actor} pinned version {pin.version}: {pin.reason}"
    registered = rows.version_of(connection, candidate.pipeline, candidate.digest)
    number = None if registered is None else registered.version
    return "" if candidate.force else _objection(connection, candidate, number, champion)


def take_alias(connection: Connection, candidate: Candidate, version: int, *, actor: str | None = None) -> Push:
    """Move the champion alias to a registered version, or the challenger alias where the two are to be compared first.

    Runs after :func:`mlcore.registry.rows.serialize`; the caller records what came of it.
    """
    champion = rows.champion(connection, candidate.pipeline)
    if champion is not None and champion.version == version:
        return Push(outcome=PushOutcome.UNCHANGED, version=version, reason=f"version {version} is the champion already")
    pin = rows.pin(connection, candidate.pipeline)
    if pin is not None:
        reason = f"withheld: {pin.actor} pinned version {pin.version}: {pin.reason}"
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=reason)
    against = _objection(connection, candidate, version, champion)
    if against and not candidate.force:
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=f"withheld: {against}")
    if candidate.challenges and champion is not None and not candidate.force:
        return _challenge(connection, candidate, version, champion)
    evidence = dict(candidate.evidence)
    if candidate.needs_approval:
        said = rows.approval(connection, candidate.pipeline, candidate.digest)
        if said is None or said.verdict is Verdict.REQUESTED:
            return _ask(connection, candidate, version, asked=said is not None)
        if said.verdict is Verdict.REJECTED:
            against = f"rejected by {said.actor}: {said.reason}"
        if against and not candidate.force:
            clear_challenger(connection, candidate.pipeline, version, actor=said.actor, reason=against)
            return Push(outcome=PushOutcome.WITHHELD, version=version, reason=f"withheld: {against}")
        evidence["approval"] = said.artifact_id
    rows.move(
        connection,
        candidate.pipeline,
        CHAMPION,
        MoveKind.FORCE if against else MoveKind.PUSH,
        start=champion.version if champion else None,
        end=version,
        actor=actor or candidate.run,
        reason=candidate.reason,
        evidence=evidence,
    )
    clear_challenger(connection, candidate.pipeline, version, actor=actor or candidate.run, reason="it is the champion")
    return Push(outcome=PushOutcome.PROMOTED, version=version, reason=candidate.reason)


def _challenge(connection: Connection, candidate: Candidate, version: int, champion: ModelVersion) -> Push:
    """Make a version the challenger, unless the present one has more right to be, or it was one before."""
    challenger = rows.challenger(connection, candidate.pipeline)
    if challenger is not None and challenger.version == version:
        return Push(
            outcome=PushOutcome.UNCHANGED, version=version, reason=f"version {version} is the challenger already"
        )
    against = _objection_to_challenge(connection, candidate, version, champion, challenger)
    if against:
        return Push(outcome=PushOutcome.WITHHELD, version=version, reason=f"withheld: {against}")
    rows.move(
        connection,
        candidate.pipeline,
        CHALLENGER,
        MoveKind.SET,
        start=None if challenger is None else challenger.version,
        end=version,
        actor=candidate.run,
        reason=f"{candidate.reason}; compared with champion {champion.version} from now on",
        evidence=candidate.evidence,
    )
    replaced = "" if challenger is None else f", in place of version {challenger.version}"
    reason = f"challenges champion {champion.version}{replaced}: mlcore models compare {candidate.pipeline}"
    return Push(outcome=PushOutcome.CHALLENGER, version=version, reason=reason)


def _objection_to_challenge(
    connection: Connection,
    candidate: Candidate,
    version: int,
    champion: ModelVersion,
    challenger: ModelVersion | None,
) -> str:
    said = rows.approval(connection, candidate.pipeline, candidate.digest)
    if said is not None and said.verdict is Verdict.REJECTED:
        return f"rejected by {said.actor}: {said.reason}"
    if rows.was_at(connection, candidate.pipeline, CHALLENGER, version):
        return (
            f"version {version} was the challenger before (mlcore models history {candidate.pipeline}); by name it may"
            f" be again: mlcore models alias set {candidate.pipeline} {CHALLENGER} {version}"
        )
    if challenger is None or champion.train_end > challenger.train_end:
        return ""
    if challenger.train_end > candidate.train_end:
        return (
            f"challenger {challenger.version} was trained on data up to {challenger.train_end:%Y-%m-%d}, "
            f"version {version} up to {candidate.train_end:%Y-%m-%d}"
        )
    return f"challenger {challenger.version} is being compared (push.rollout.newer: wait)" if candidate.waits else ""


def clear_challenger(connection: Connection, pipeline: str, version: int, *, actor: str, reason: str) -> None:
    """Take the challenger alias from a version that challenges nobody any more."""
    if rows.placed(connection, pipeline).get(CHALLENGER) == version:
        rows.move(
            connection, pipeline, CHALLENGER, MoveKind.REMOVE, start=version, end=None, actor=actor, reason=reason
        )


def _ask(connection: Connection, candidate: Candidate, version: int, *, asked: bool) -> Push:
    """A person is asked once; until there is an answer the version is the challenger."""
    if not asked:
        rows.add_approval(
            connection,
            candidate.pipeline,
            candidate.digest,
            Verdict.REQUESTED,
            actor=candidate.run,
            reason=candidate.reason,
        )
    challenger = rows.placed(connection, candidate.pipeline).get(CHALLENGER)
    if challenger != version:
        rows.move(
            connection,
            candidate.pipeline,
            CHALLENGER,
            MoveKind.SET,
            start=challenger,
            end=version,
            actor=candidate.run,
            reason="it waits for approval",
            evidence=candidate.evidence,
        )
    reason = f"awaiting approval: mlcore models approve {candidate.pipeline} {version} --reason <why>"
    return Push(outcome=PushOutcome.PENDING, version=version, reason=reason)


def _objection(connection: Connection, candidate: Candidate, version: int | None, champion: ModelVersion | None) -> str:
    if champion is not None and champion.train_end > candidate.train_end:
        return (
            f"champion {champion.version} was trained on data up to {champion.train_end:%Y-%m-%d}, "
            f"{'the model' if version is None else f'version {version}'} up to {candidate.train_end:%Y-%m-%d}"
        )
    if version in rows.champion_reign(connection, candidate.pipeline).left_behind:
        return f"a person took the alias from version {version}"
    return ""


def _register(connection: Connection, candidate: Candidate) -> int:
    """The version of the candidate's digest, a new one when it has none."""
    known = rows.version_of(connection, candidate.pipeline, candidate.digest)
    if known is not None:
        return known.version
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
            schema_id=candidate.schema_id,
            config=dict(candidate.config),
            digest=candidate.digest,
            train_start=candidate.train_start,
            train_end=candidate.train_end,
            window_end=candidate.window_end,
            run=candidate.run,
        )
    )
    return version
