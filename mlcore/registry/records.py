"""The registry's records, and what they say about who may become champion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mlcore.core.types import Json


class PushOutcome(StrEnum):
    """PROMOTED: the alias moved. UNCHANGED: it was there already. WITHHELD: the model is registered and that is all.

    PENDING: it waits for a person's approval. CHALLENGER: it is compared with the champion before it may replace it.
    """

    PROMOTED = "PROMOTED"
    UNCHANGED = "UNCHANGED"
    WITHHELD = "WITHHELD"
    PENDING = "PENDING"
    CHALLENGER = "CHALLENGER"


class MoveKind(StrEnum):
    """PUSH: by a run's own right. FORCE: told to although it had none. ROLLBACK: back to an earlier champion.

    Those are the champion's; every other alias is SET and REMOVEd.
    """

    PUSH = "PUSH"
    FORCE = "FORCE"
    ROLLBACK = "ROLLBACK"
    SET = "SET"
    REMOVE = "REMOVE"


class Verdict(StrEnum):
    """What a person said of a model. REQUESTED: nothing yet."""

    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """One registered model, with all that an alias that moves to it brings along.

    Attributes:
        version: Counts from 1 in each pipeline, without gaps.
        artifact_id: The Model, its TransformGraph inside.
        evaluation_id: Its Evaluation, which the monitor measures decay against.
        schema_id: The Schema that its data was held against; ``None`` of one that an earlier release registered.
        config: The pipeline's file when it was registered, thresholds and all, without ``alerts``; empty likewise.
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
    schema_id: int | None = None
    config: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class AliasMove:
    """One row of an alias's history: it is nowhere where the version is ``None``.

    Attributes:
        id: Grows with every move of any alias: of two moves of one pipeline the later has the greater.
    """

    id: int
    alias: str
    kind: MoveKind
    from_version: int | None
    to_version: int | None
    actor: str
    reason: str
    moved_at: datetime
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PushRecord:
    """What became of one push: a row of a history that is only added to."""

    version: int
    outcome: PushOutcome
    reason: str
    run: str
    pushed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """The champion is to stay: pushes are recorded and withheld until somebody unpins it."""

    version: int
    actor: str
    reason: str
    pinned_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PinMove:
    """One row of the history of pins: ``version`` is ``None`` where it was unpinned."""

    version: int | None
    actor: str
    reason: str
    pinned_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """What a person said of a model, or that one is asked to.

    Attributes:
        digest: Of the model: an approval is bound to its content, as every Blessing is.
        artifact_id: The Blessing; ``None`` while nothing is said.
        actor: Who said it; while nothing is said, the run that asks.
    """

    digest: str
    verdict: Verdict
    artifact_id: int | None
    actor: str
    reason: str
    said_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A blessed model that asks for the champion alias.

    Attributes:
        schema_id, config: See :class:`ModelVersion`.
        needs_approval: Whether a person must have approved of it.
        challenges: Whether it is to be compared with the champion, as its challenger, before it may take its place.
        waits: Whether it leaves the alias to a challenger that is being compared.
        force: Take it from a newer champion too, and although it was rolled back from or rejected.
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
    schema_id: int | None = None
    config: Mapping[str, Json] = field(default_factory=dict)
    needs_approval: bool = False
    challenges: bool = False
    waits: bool = False
    force: bool = False
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What became of a candidate."""

    outcome: PushOutcome
    version: int
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reign:
    """What the moves of the champion alias come to.

    Attributes:
        champions: The present champion last, before it those that it may be rolled back to, newest last.
        left_behind: The versions that a person took the alias from, by a rollback or by forcing an older model. They
            are no baseline for others and are not promoted again by themselves.
    """

    champions: tuple[int, ...]
    left_behind: frozenset[int]


def reign(moves: Iterable[tuple[MoveKind, int, datetime]]) -> Reign:
    """Who is champion, whom it follows, and who was left behind.

    A rollback leaves behind every champion since its target was champion, the present one at least; a forced push those
    that were trained on newer data. Whatever a person makes champion is trusted again.

    Args:
        moves: Kind, target and the target's ``train_end`` of every move of the champion alias, oldest first.

    >>> days = [datetime(2013, 3, day) for day in (3, 10, 17)]
    >>> pushes = [(MoveKind.PUSH, version, day) for version, day in enumerate(days, start=1)]
    >>> came = reign([*pushes, (MoveKind.ROLLBACK, 1, days[0])])
    >>> came.champions, sorted(came.left_behind)
    ((1,), [2, 3])
    """
    champions: list[tuple[int, datetime]] = []
    left: set[int] = set()
    for kind, version, train_end in moves:
        past = [known for known, _ in champions]
        gone: list[tuple[int, datetime]] = []
        if kind is MoveKind.ROLLBACK:
            since = past.index(version) if version in past else -1
            champions, gone = champions[:since], champions[since:]
        elif kind is MoveKind.FORCE:
            gone = [known for known in champions if known[1] > train_end]
            champions = [known for known in champions if known[1] <= train_end]
        left |= {known for known, _ in gone}
        champions = [*(known for known in champions if known[0] != version), (version, train_end)]
        if kind is not MoveKind.PUSH:
            left.discard(version)
    return Reign(champions=tuple(version for version, _ in champions), left_behind=frozenset(left))
