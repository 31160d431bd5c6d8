"""What is told: events, by keys that are always the same, and the facts that they follow from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mlcore.core.types import Artifact, Execution, ExecutionState, Json
from mlcore.registry.records import AliasMove, ModelVersion, PushRecord

Artifacts = Mapping[str, Sequence[Artifact]]


class EventKind(StrEnum):
    """What a run comes to, in OpenLineage's words."""

    START = "START"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


ENDS: Mapping[ExecutionState, EventKind] = {
    ExecutionState.COMPLETE: EventKind.COMPLETE,
    ExecutionState.CACHED: EventKind.COMPLETE,
    ExecutionState.FAILED: EventKind.FAIL,
    ExecutionState.CANCELED: EventKind.ABORT,
}


class Subject(StrEnum):
    """What an event is of."""

    EXECUTION = "execution"
    MOVE = "move"


@dataclass(frozen=True, order=True, slots=True)
class EventKey:
    """Names an event among all of a pipeline."""

    subject: Subject
    id: int
    kind: EventKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event; ``document`` is what is sent."""

    key: EventKey
    moment: datetime
    document: dict[str, Json] = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionFacts:
    """An execution with what it read and made.

    Attributes:
        push: What became of the model, of a Pusher that pushed one.
    """

    execution: Execution
    inputs: Artifacts
    outputs: Artifacts
    push: PushRecord | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MoveFacts:
    """A move of an alias.

    Attributes:
        version: Where to; ``None`` where the alias was removed.
        model: The version's.
        pusher: The execution that moved it, where a run did.
    """

    move: AliasMove
    version: ModelVersion | None
    model: Artifact | None
    pusher: Execution | None = None
