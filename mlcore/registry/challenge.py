"""A challenger beside the champion: the looks at how they compare, and what the last of them comes to.

A challenge is one move of the challenger alias and one champion: where either changes, another begins. Its looks are
rows of a history that is only added to, each at labels up to a later moment than the one before; at most one of them
decides.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from mlcore.metadata.registry_tables import alias_history, challenge_history
from mlcore.registry import rows
from mlcore.registry.names import CHALLENGER
from mlcore.registry.push import clear_challenger, take_alias
from mlcore.registry.records import Candidate, ModelVersion, MoveKind, Push, PushOutcome


class LookVerdict(StrEnum):
    """CONTINUED: nothing is sure yet. PASSED: it may be champion. REFUSED: it may not."""

    CONTINUED = "CONTINUED"
    PASSED = "PASSED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One comparison of a challenger with a champion.

    Attributes:
        move_id: Of the alias's history: the move that made it the challenger.
        look: Counts from 1 in each challenge.
        until: End of the labelled rows that were compared.
        rows: How many.
        spent: The share of the chance of error that this look and those before it had.
        artifact_id: The Evaluation that says what was found.
    """

    move_id: int
    challenger: int
    champion: int
    look: int
    verdict: LookVerdict
    until: datetime
    rows: int
    spent: float
    artifact_id: int
    reason: str
    run: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """Who is compared with whom, and what was seen so far.

    Attributes:
        move_id: See :class:`Look`.
        since: When the challenger became that.
        looks: Oldest first.
        earlier: How many other challengers were compared with this champion before.
    """

    move_id: int
    since: datetime
    challenger: ModelVersion
    champion: ModelVersion
    looks: tuple[Look, ...] = ()
    earlier: int = 0

    @property
    def start(self) -> datetime:
        """From here on neither has seen a row: not in training, nor in the evaluation it was blessed for."""
        return max(self.challenger.window_end, self.champion.window_end)

    @property
    def passed(self) -> Look | None:
        """The look that the challenger passed; it waits for approval, or for a pin to be gone."""
        return next((look for look in self.looks if look.verdict is LookVerdict.PASSED), None)


def find_challenge(connection: Connection, pipeline: str) -> Challenge | None:
    """The challenge that is under way; ``None`` without a challenger or a champion."""
    champion, challenger = rows.champion(connection, pipeline), rows.challenger(connection, pipeline)
    if champion is None or challenger is None or champion.version == challenger.version:
        return None
    move = connection.execute(
        select(alias_history.c.id, alias_history.c.moved_at)
        .where(alias_history.c.pipeline == pipeline, alias_history.c.alias == CHALLENGER)
        .where(alias_history.c.kind == MoveKind.SET.value)
        .order_by(alias_history.c.id.desc())
        .limit(1)
    ).one()
    seen = looks(connection, pipeline)
    against = [look for look in seen if look.champion == champion.version]
    return Challenge(
        move_id=move.id,
        since=move.moved_at,
        challenger=challenger,
        champion=champion,
        looks=tuple(look for look in against if look.move_id == move.id),
        earlier=len({look.move_id for look in against if look.move_id < move.id and look.spent > 0.0}),
    )


def looks(connection: Connection, pipeline: str) -> tuple[Look, ...]:
    """Every look at every challenger, oldest first."""
    query = select(challenge_history).where(challenge_history.c.pipeline == pipeline).order_by(challenge_history.c.id)
    found = []
    for row in connection.execute(query):
        values = {field.name: row._mapping[field.name] for field in fields(Look)}
        found.append(Look(**{**values, "verdict": LookVerdict(row.verdict)}))
    return tuple(found)


def conclude(connection: Connection, pipeline: str, look: Look, *, needs_approval: bool) -> Push | None:
    """Record a look, and do what it comes to, in the transaction that publishes it.

    A challenger that passed becomes champion, unless a pin or a missing approval keeps it waiting: it is asked for
    again at every later look. One that is refused, be it while it waits, or that nothing can help any more, loses the
    alias, and does not become challenger again by itself.

    Args:
        connection: The transaction.
        pipeline: Whose challenger.
        look: What was found, of these very two models.
        needs_approval: Whether a person must approve of a champion.

    Returns:
        What became of the challenger; ``None`` where it stays one. Nothing is done where another is challenger or
        champion by now, or labels of this moment, or of a later one, were looked at before.
    """
    rows.serialize(connection, pipeline)
    present = find_challenge(connection, pipeline)
    if present is None or not _is_next(present, look):
        return None
    if present.passed is None:
        _record(connection, pipeline, look)
    if present.champion.train_end > present.challenger.train_end:
        champion = present.champion
        reason = f"champion {champion.version} was trained on newer data, up to {champion.train_end:%Y-%m-%d}"
    elif look.verdict is LookVerdict.REFUSED:
        reason = look.reason
    elif present.passed is not None or look.verdict is LookVerdict.PASSED:
        return _promote(connection, present, present.passed or look, run=look.run, needs_approval=needs_approval)
    else:
        return None
    return _withdraw(connection, present, run=look.run, reason=reason)


def _is_next(present: Challenge, look: Look) -> bool:
    asked = (look.move_id, look.challenger, look.champion)
    if asked != (present.move_id, present.challenger.version, present.champion.version):
        return False
    return not present.looks or look.until > present.looks[-1].until or present.passed is not None


def _record(connection: Connection, pipeline: str, look: Look) -> None:
    values = {field.name: getattr(look, field.name) for field in fields(Look)}
    connection.execute(insert(challenge_history).values(pipeline=pipeline, **values))


def _promote(
    connection: Connection, present: Challenge, passed: Look, *, run: str, needs_approval: bool
) -> Push | None:
    version = present.challenger
    candidate = Candidate(
        **{
            name: getattr(version, name)
            for name in (
                "pipeline", "artifact_id", "evaluation_id", "digest", "train_start", "train_end", "window_end", "run",
            )
        },
        reason=f"passed look {passed.look} beside champion {present.champion.version}: {passed.reason}",
        needs_approval=needs_approval,
        evidence={
            "evaluation": version.evaluation_id,
            "challenge": passed.artifact_id,
            "look": passed.look,
            "rows": passed.rows,
            "baseline": present.champion.artifact_id,
        },
    )  # fmt: skip
    waiting = rows.approval(connection, version.pipeline, version.digest)
    push = take_alias(connection, candidate, version.version, actor=run)
    if push.outcome is PushOutcome.PENDING and waiting is not None:
        return push  # which was recorded when it began
    if push.outcome is PushOutcome.WITHHELD and rows.pin(connection, version.pipeline) is None:
        clear_challenger(connection, version.pipeline, version.version, actor=run, reason=push.reason)
    rows.add_push(connection, version.pipeline, push, run)
    return push


def _withdraw(connection: Connection, present: Challenge, *, run: str, reason: str) -> Push:
    version = present.challenger
    clear_challenger(connection, version.pipeline, version.version, actor=run, reason=reason)
    push = Push(outcome=PushOutcome.WITHHELD, version=version.version, reason=f"withheld: {reason}")
    rows.add_push(connection, version.pipeline, push, run)
    return push
