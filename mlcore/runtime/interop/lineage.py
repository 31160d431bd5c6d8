"""Lineage events: what our store says of a pipeline, told to a destination that was not told yet.

What is due follows from the states that executions are in and from the history of aliases, never from a queue beside
them: an event cannot be lost with a process, and none is of something that was not committed. What a destination has
taken is remembered after it took it; killed in between, an event is sent twice, which changes nothing for whoever
reads it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcore.config.lineage import Lineage
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, Execution, ExecutionState
from mlcore.errors import TrackingError
from mlcore.metadata.deliveries import EXECUTION, MOVE, Ledger
from mlcore.registry.records import AliasMove, ModelVersion
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import source_name as recorded_name
from mlcore.tracking.openlineage.destinations import Destination
from mlcore.tracking.openlineage.events import Teller
from mlcore.tracking.openlineage.facets import FacetMaker
from mlcore.tracking.openlineage.names import SourceData, files_name, place_name, source_name
from mlcore.tracking.openlineage.records import ENDS, Event, EventKey, EventKind, ExecutionFacts, MoveFacts

_LOG = logging.getLogger(__name__)
_BATCH = 200
"""So many executions are read at once."""
_ENDS = {state: kind.value for state, kind in ENDS.items()}
_MOVED = EventKind.COMPLETE.value
_PUSHER = "Pusher"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What a destination had to be told.

    Attributes:
        refused: Of those, what it will never take.
        error: Why it was not told all; what is left waits.
    """

    events: int = 0
    refused: int = 0
    error: TrackingError | None = None

    def __str__(self) -> str:
        if not self.events and self.error is None:
            return "nothing was missing"
        text = f"{self.events} events delivered"
        return f"{text}, {self.refused} of them refused" if self.refused else text


class Facts:
    """One pipeline's executions and moves, as events."""

    def __init__(self, session: Session, config: PipelineConfig, given: Lineage, *, read: bool = True) -> None:
        """``read``: whether artifacts' files are looked into; without, events lack what those say."""
        self._session, self._config, self._given, self._read = session, config, given, read
        self._store = place_name(str(session.artifacts.path(config.name).parent))
        self._sources = _sources(session, config)

    def of_executions(self, executions: Sequence[Execution]) -> Iterator[Event]:
        """Every event of executions."""
        metadata, ids = self._session.metadata, [one.id for one in executions]
        inputs, outputs = metadata.inputs_of(ids), metadata.outputs_of(ids)
        made = [artifact for each in (inputs, outputs) for found in each.values() for artifact in _all(found.values())]
        teller = self._teller(made)
        pushed = any(one.component == _PUSHER for one in executions)
        pushes = {one.run: one for one in self._session.registry.pushes(self._config.name)} if pushed else {}
        for execution in executions:
            facts = ExecutionFacts(
                execution=execution,
                inputs=inputs[execution.id],
                outputs=outputs[execution.id],
                push=pushes.get(execution.run) if execution.component == _PUSHER else None,
            )
            yield from teller.of_execution(facts)

    def of_moves(self, moves: Sequence[AliasMove]) -> Iterator[Event]:
        """Every event of moves of aliases."""
        if not moves:
            return
        versions = {one.version: one for one in self._session.registry.versions(self._config.name)}
        reached = {one.to_version: versions[one.to_version] for one in moves if one.to_version is not None}
        models = self._session.metadata.artifacts([one.artifact_id for one in reached.values()])
        by_id = {one.id: one for one in models}
        teller = self._teller(models)
        for move in moves:
            version = None if move.to_version is None else reached[move.to_version]
            facts = MoveFacts(
                move=move,
                version=version,
                model=None if version is None else by_id[version.artifact_id],
                pusher=self._pusher(move, version),
            )
            yield from teller.of_move(facts)

    def _pusher(self, move: AliasMove, version: ModelVersion | None) -> Execution | None:
        """The execution in whose transaction an alias was moved: a run is then the one that did it."""
        if version is None or move.actor != version.run:
            return None
        found = self._session.metadata.executions(self._config.name, version.run)
        ended = [one for one in found if one.component == _PUSHER and one.state is ExecutionState.COMPLETE]
        return ended[-1] if ended else None

    def _teller(self, artifacts: Sequence[Artifact]) -> Teller:
        return Teller(
            config=self._config,
            store=self._store,
            source=self._source,
            folder=self._folder if self._read else None,
            candidates=self._candidates(artifacts),
            namespace=self._given.namespace,
            airflow_namespace=self._given.airflow_namespace,
            facet=FacetMaker(self._given.schemas),
        )

    def _candidates(self, artifacts: Sequence[Artifact]) -> dict[int, str]:
        """Whose each artifact is, where a pipeline trains several models."""
        if not self._config.models or not artifacts:
            return {}
        producers = self._session.metadata.producers(sorted({one.id for one in artifacts}))
        named = {one: producer.parameters.get("candidate") for one, producer in producers.items()}
        return {one: name for one, name in named.items() if isinstance(name, str)}

    def _source(self, artifact: Artifact) -> SourceData:
        """The data set of a source file: by what was recorded, for the pipeline's file may name another by now."""
        recorded = str(artifact.properties.get("source", ""))
        if recorded in self._sources:
            return self._sources[recorded]
        kind, _, pattern = recorded.partition(":")
        if kind and pattern and kind != "postgres":
            return SourceData(files_name(pattern, self._session.project))
        return self._sources[recorded_name(self._config)]

    def _folder(self, artifact: Artifact) -> Path:
        return self._session.artifacts.path(artifact.uri)


def _all(found: Iterable[Sequence[Artifact]]) -> Iterator[Artifact]:
    for artifacts in found:
        yield from artifacts


def _sources(session: Session, config: PipelineConfig) -> dict[str, SourceData]:
    """The data, the serving log and what is predicted of, by the names that they are recorded under."""
    views = [config.inferring, *([config.serving] if config.serving else []), config]
    return {
        recorded_name(one): SourceData(source_name(one.data.source, session.project), one.data.columns) for one in views
    }


def due_events(
    session: Session,
    config: PipelineConfig,
    given: Lineage,
    destination: Destination,
    *,
    limit: int | None = _BATCH,
    read: bool = True,
) -> list[Event]:
    """What a destination has not taken yet, in the order of time.

    Args:
        session: Our stores.
        config: The pipeline.
        given: Its block.
        destination: Where its events go.
        limit: Of so many executions; what is left comes when it is called again.
        read: See :class:`Facts`.
    """
    with session.metadata.begun() as connection:
        ledger = Ledger(connection, config.name, destination.key)
        executions = ledger.due_executions(_ENDS, limit)
        moved = ledger.due_moves(_MOVED)
        taken = {(EXECUTION, *one) for one in ledger.taken(EXECUTION, [each.id for each in executions])}
        taken |= {(MOVE, *one) for one in ledger.taken(MOVE, moved)}
    moves = [one for one in session.registry.history(config.name) if one.id in moved] if moved else []
    if len(executions) == limit:  # later moves are told after the executions that come before them
        moves = [one for one in moves if one.moved_at <= executions[-1].started_at]
    facts = Facts(session, config, given, read=read)
    events = [*facts.of_executions(executions), *facts.of_moves(moves)]
    due = [one for one in events if _row(one.key) not in taken]
    return sorted(due, key=lambda one: (one.moment, one.key.subject, one.key.id, one.key.kind is not EventKind.START))


def is_due(session: Session, config: PipelineConfig, destination: Destination) -> bool:
    """Whether a destination lacks anything; one short transaction."""
    with session.metadata.begun() as connection:
        ledger = Ledger(connection, config.name, destination.key)
        return bool(ledger.due_executions(_ENDS, 1) or ledger.due_moves(_MOVED))


def deliver(
    session: Session,
    config: PipelineConfig,
    given: Lineage,
    destination: Destination,
    *,
    until: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = _LOG.debug,
) -> Delivered:
    """Tell a destination what it was not told yet; may be killed at any moment, and done again.

    Args:
        session: Our stores.
        config: The pipeline.
        given: Its block.
        destination: Where to.
        until: Asked between portions: whether to put the rest off.
        tell: Told how far it is, for people who wait.

    Raises:
        MetadataError: Our own store cannot be read.
    """
    if not is_due(session, config, destination):
        return Delivered()
    sent = refused = 0
    try:
        with session.metadata.exclusive([f"lineage {config.name} {destination.key}"], on_wait=_refuse_to_wait):
            while events := due_events(session, config, given, destination):
                for start in range(0, len(events), destination.portion):
                    if until():
                        return Delivered(events=sent, refused=refused, error=_late(destination))
                    outcome = _send(session, config, destination, events[start : start + destination.portion])
                    sent, refused = sent + outcome.events, refused + outcome.refused
                    tell(f"{sent} events")
                    if outcome.error is not None:
                        return Delivered(events=sent, refused=refused, error=outcome.error)
                _settle(session, config, destination)  # what is long past is not looked at again
    except Busy as busy:
        return Delivered(events=sent, refused=refused, error=busy)
    return Delivered(events=sent, refused=refused)


class Busy(TrackingError):
    """Somebody else tells the same destination right now."""


def _refuse_to_wait() -> None:
    raise Busy("another process delivers lineage events to the same place", next_step="it delivers these, too")


def _late(destination: Destination) -> TrackingError:
    return TrackingError(
        "the time for lineage events is over; what was delivered stays",
        where=destination.shown,
        next_step="mlcore lineage sync delivers the rest; lineage.max_wait sets the time",
    )


def _send(session: Session, config: PipelineConfig, destination: Destination, events: Sequence[Event]) -> Delivered:
    outcome = destination.send(events)
    for key, why in outcome.refused.items():
        _LOG.warning("a lineage event of %s %d was refused for good: %s", key.subject.value, key.id, why)
    with session.metadata.begun() as connection:
        Ledger(connection, config.name, destination.key).record(
            [_row(key) for key in outcome.taken], {_row(key): why for key, why in outcome.refused.items()}
        )
    return Delivered(events=len(outcome.taken), refused=len(outcome.refused), error=outcome.error)


def _settle(session: Session, config: PipelineConfig, destination: Destination) -> None:
    with session.metadata.begun() as connection:
        Ledger(connection, config.name, destination.key).settle(_ENDS, _MOVED)


def forget(session: Session, config: PipelineConfig, destination: Destination) -> None:
    """Have everything told again, for instance to an endpoint that lost what it had."""
    with session.metadata.begun() as connection:
        Ledger(connection, config.name, destination.key).forget()


def _row(key: EventKey) -> tuple[str, int, str]:
    return key.subject.value, key.id, key.kind.value


class Within:
    """Says when so many seconds are over; from when it is made."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def __call__(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end
