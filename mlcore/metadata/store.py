"""The metadata store: what ran, on what, and what came of it.

Every method is one transaction. A server that goes away raises ``MetadataUnavailable``, whatever was under way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Literal

from sqlalchemy import Connection, Engine, exists, func, select, tuple_, update

from mlcore.core.types import (
    Artifact,
    ArtifactState,
    ArtifactType,
    EventType,
    Execution,
    ExecutionState,
    NewArtifact,
    NewExecution,
)
from mlcore.errors import MetadataError
from mlcore.metadata import lineage, writes
from mlcore.metadata.engine import connect_engine, one_message, reporting
from mlcore.metadata.locks import HELD, advisory_locks, held
from mlcore.metadata.migrate import check_version, migrate
from mlcore.metadata.records import LineageNode, Publication, RunSummary, to_artifact, to_execution
from mlcore.metadata.tables import artifact, event, execution, execution_cache
from mlcore.metadata.writes import UNDER_WAY, AlreadyPublished, Ask

__all__ = ["AlreadyPublished", "MetadataStore", "Publication", "migrate"]

_OUTPUTS = (EventType.OUTPUT.value, EventType.CACHED_OUTPUT.value)


class MetadataStore:
    """Artifacts, executions, events, contexts. Open it with :meth:`open`."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine = engine
        self._url = url

    @classmethod
    def open(cls, url: str) -> MetadataStore:
        """Connect and check that the tables are those of this release.

        Raises:
            MetadataUnavailable: The database cannot be reached.
            MetadataError: The tables are of another version.
        """
        store = cls(connect_engine(url), url)
        try:
            with store.begun() as connection:
                check_version(connection)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def begun(self) -> Iterator[Connection]:
        """One transaction, with outages told in words."""
        with reporting(self._url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _one_message(self) -> Iterator[Ask]:
        """For one statement that is the whole transaction: neither BEGIN nor COMMIT is waited for."""
        with reporting(self._url):
            yield partial(one_message, self._engine)

    @contextmanager
    def exclusive(self, fingerprints: Sequence[str], on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the locks of fingerprints. They are free again the moment this process ends, however it ends.

        Args:
            fingerprints: What to lock; the context waits while others hold any of it.
            on_wait: Called once, when that has taken two seconds.
        """
        locks = advisory_locks(self._engine, fingerprints, on_wait)
        with reporting(self._url):
            locks.__enter__()
        try:
            yield
        finally:
            locks.__exit__(None, None, None)

    def cached(self, fingerprints: Sequence[str]) -> dict[str, int]:
        """The complete execution, all of whose outputs are LIVE, of each fingerprint that has one."""
        with self.begun() as connection:
            rows = connection.execute(select(execution_cache).where(execution_cache.c.fingerprint.in_(fingerprints)))
            return {row.fingerprint: row.execution_id for row in rows}

    def execution(self, execution_id: int) -> Execution:
        """One execution by id."""
        with self.begun() as connection:
            row = connection.execute(select(execution).where(execution.c.id == execution_id)).one_or_none()
        if row is None:
            raise MetadataError(f"there is no execution {execution_id}")
        return to_execution(row)

    def executions(self, pipeline: str, run: str) -> tuple[Execution, ...]:
        """A run's executions in the order they began."""
        with self.begun() as connection:
            rows = connection.execute(
                select(execution)
                .where(execution.c.pipeline == pipeline, execution.c.run == run)
                .order_by(execution.c.id)
            )
            return tuple(to_execution(row) for row in rows)

    def nodes(self, pipeline: str) -> tuple[Execution, ...]:
        """The executions of all runs of a pipeline that stand for a node, in the order they began.

        Those of single spans are left out, unless they did not end well.
        """
        whole = execution.c.fingerprint.is_(None) | execution.c.origin.has_key("node")
        query = select(execution).where(
            execution.c.pipeline == pipeline, whole | (execution.c.state != ExecutionState.COMPLETE.value)
        )
        with self.begun() as connection:
            return tuple(to_execution(row) for row in connection.execute(query.order_by(execution.c.id)))

    def pipelines_of(self, run: str) -> tuple[str, ...]:
        """The pipelines that have a run of this name."""
        query = select(execution.c.pipeline).where(execution.c.run == run).distinct()
        with self.begun() as connection:
            return tuple(sorted(connection.scalars(query)))

    def runs(self, pipeline: str, limit: int = 20) -> tuple[RunSummary, ...]:
        """The newest runs of a pipeline, newest first."""
        newest = (
            select(execution.c.run, func.max(execution.c.id).label("last"))
            .where(execution.c.pipeline == pipeline)
            .group_by(execution.c.run)
            .order_by(func.max(execution.c.id).desc())
            .limit(limit)
            .subquery()
        )
        query = (
            select(execution.c.run, execution.c.state, func.count().label("count"), newest.c.last)
            .join(newest, newest.c.run == execution.c.run)
            .where(execution.c.pipeline == pipeline)
            .group_by(execution.c.run, execution.c.state, newest.c.last)
            .order_by(newest.c.last.desc())
        )
        states: dict[str, dict[ExecutionState, int]] = defaultdict(dict)
        with self.begun() as connection:
            for row in connection.execute(query):
                states[row.run][ExecutionState(row.state)] = row._mapping["count"]
        return tuple(RunSummary(pipeline=pipeline, run=run, states=found) for run, found in states.items())

    def artifacts(self, ids: Sequence[int]) -> tuple[Artifact, ...]:
        """Artifacts by id, in the order asked for."""
        with self.begun() as connection:
            found = {
                row.id: to_artifact(row) for row in connection.execute(select(artifact).where(artifact.c.id.in_(ids)))
            }
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            raise MetadataError(f"there is no artifact {missing[0]}")
        return tuple(found[id_] for id_ in ids)

    def present(self, ids: Sequence[int]) -> tuple[Artifact, ...]:
        """The same; in place of one that was removed, the newest of equal content that was made again, if there is."""
        found = self.artifacts(ids)
        gone = [one for one in found if one.state is not ArtifactState.LIVE]
        if not gone:
            return found
        again = select(artifact).where(
            artifact.c.state == ArtifactState.LIVE.value,
            tuple_(artifact.c.pipeline, artifact.c.type, artifact.c.digest).in_(
                [(one.pipeline, one.type.value, one.digest) for one in gone]
            ),
        )
        with self.begun() as connection:
            made = [to_artifact(row) for row in connection.execute(again.order_by(artifact.c.id))]
        twins = {(one.pipeline, one.type, one.digest): one for one in made}
        return tuple(twins.get((one.pipeline, one.type, one.digest), one) if one in gone else one for one in found)

    def find_artifacts(
        self,
        *,
        type: ArtifactType,
        pipeline: str | None = None,
        run: str | None = None,
        state: ArtifactState = ArtifactState.LIVE,
        limit: int = 1_000,
    ) -> tuple[Artifact, ...]:
        """Artifacts of a type and state, newest first; of a run: those it made or reused."""
        query = select(artifact).where(artifact.c.type == type.value, artifact.c.state == state.value)
        if pipeline is not None:
            query = query.where(artifact.c.pipeline == pipeline)
        if run is not None:
            query = query.where(
                exists()
                .where(event.c.artifact_id == artifact.c.id, event.c.type.in_(_OUTPUTS))
                .where(event.c.execution_id == execution.c.id, execution.c.run == run)
                .where(execution.c.pipeline == artifact.c.pipeline)
            )
        with self.begun() as connection:
            rows = connection.execute(query.order_by(artifact.c.id.desc()).limit(limit))
            return tuple(to_artifact(row) for row in rows)

    def outputs(self, execution_id: int) -> dict[str, tuple[Artifact, ...]]:
        """What an execution made or reused, by output name, in order."""
        return self.outputs_of([execution_id])[execution_id]

    def outputs_of(self, execution_ids: Sequence[int]) -> dict[int, dict[str, tuple[Artifact, ...]]]:
        """The outputs of several executions in one query."""
        return self._events(execution_ids, _OUTPUTS)

    def inputs(self, execution_id: int) -> dict[str, tuple[Artifact, ...]]:
        """What an execution read, by input name, in order."""
        return self.inputs_of([execution_id])[execution_id]

    def inputs_of(self, execution_ids: Sequence[int]) -> dict[int, dict[str, tuple[Artifact, ...]]]:
        """The inputs of several executions in one query."""
        return self._events(execution_ids, (EventType.INPUT.value,))

    def producers(self, artifact_ids: Sequence[int]) -> dict[int, Execution]:
        """The execution that made each artifact, by the artifact's id; source files have none."""
        query = (
            select(event.c.artifact_id, execution)
            .join(execution, execution.c.id == event.c.execution_id)
            .where(event.c.artifact_id.in_(artifact_ids), event.c.type == EventType.OUTPUT.value)
        )
        with self.begun() as connection:
            return {row.artifact_id: to_execution(row) for row in connection.execute(query)}

    def _events(self, execution_ids: Sequence[int], types: Sequence[str]) -> dict[int, dict[str, tuple[Artifact, ...]]]:
        query = (
            select(event.c.execution_id, event.c.key, artifact)
            .join(artifact, artifact.c.id == event.c.artifact_id)
            .where(event.c.execution_id.in_(execution_ids), event.c.type.in_(types))
            .order_by(event.c.execution_id, event.c.key, event.c.index)
        )
        found: dict[int, dict[str, list[Artifact]]] = {id_: defaultdict(list) for id_ in execution_ids}
        with self.begun() as connection:
            for row in connection.execute(query):
                found[row.execution_id][row.key].append(to_artifact(row))
        return {id_: {key: tuple(value) for key, value in keys.items()} for id_, keys in found.items()}

    def begin(self, new: NewExecution, inputs: Mapping[str, Sequence[int]]) -> Execution:
        """Record that an execution runs now."""
        return self.begin_many([(new, inputs)])[0]

    def begin_many(
        self, executions: Sequence[tuple[NewExecution, Mapping[str, Sequence[int]]]]
    ) -> tuple[Execution, ...]:
        """Record that executions run now, in one transaction.

        Earlier ones of the same fingerprints that still say RUNNING are closed: the caller holds the fingerprints'
        locks, so whoever ran them is dead.
        """
        if not executions:
            return ()
        with self._one_message() as ask:
            return writes.insert_executions(ask, executions, ExecutionState.RUNNING)

    def publish(
        self, results: Sequence[Publication], on_commit: Callable[[Connection], None] | None = None
    ) -> list[dict[str, tuple[Artifact, ...]]]:
        """The one commit point: outputs LIVE, executions COMPLETE and findable, and what else changes with them.

        Args:
            results: The executions with their outputs, written and sealed.
            on_commit: More to do in the same transaction, last.

        Raises:
            AlreadyPublished: An equal execution was first.
            MetadataError: One of the executions is no longer running.
        """
        if on_commit is None:
            with self._one_message() as ask:
                return writes.publish(ask, results)
        with self.begun() as connection:
            published = writes.publish(writes.within(connection), results)
            on_commit(connection)
        return published

    def record_cached(
        self,
        new: NewExecution,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, Sequence[int]],
        state: Literal[ExecutionState.CACHED, ExecutionState.COMPLETE] = ExecutionState.CACHED,
    ) -> Execution:
        """Record an execution whose outputs others made.

        Raises:
            MetadataError: One of them was removed.
        """
        with self.begun() as connection:
            reused = [id_ for ids in outputs.values() for id_ in ids]
            writes.hold_outputs(connection, new.pipeline, reused)
            (recorded,) = writes.insert_executions(writes.within(connection), [(new, inputs)], state)
            writes.insert_events(connection, [(recorded.id, outputs)], EventType.CACHED_OUTPUT)
        return recorded

    def fail(self, execution_id: int, error: str, state: ExecutionState = ExecutionState.FAILED) -> None:
        """Close a running execution as failed or canceled; one that is closed already stays as it is."""
        with self.begun() as connection:
            writes.close_executions(connection, execution.c.id == execution_id, state, error)

    def invalidate(self, execution_id: int) -> None:
        """The files of an execution's outputs are lost: nobody will reuse them."""
        with self.begun() as connection:
            made = select(event.c.artifact_id).where(
                event.c.execution_id == execution_id, event.c.type == EventType.OUTPUT.value
            )
            connection.execute(  # the database takes what is DELETED out of the cache
                update(artifact)
                .where(artifact.c.id.in_(made), artifact.c.state == ArtifactState.LIVE.value)
                .values(state=ArtifactState.DELETED.value)
            )

    def register_sources(self, files: Sequence[NewArtifact]) -> tuple[Artifact, ...]:
        """Record source files as seen now; a version that was recorded before keeps its id."""
        if not files:
            return ()
        with self.begun() as connection:
            found = writes.upsert_sources(connection, files)
        return tuple(found[file.pipeline, file.uri, file.digest] for file in files)

    def lineage(
        self, artifact_id: int, direction: Literal["up", "down"], max_depth: int | None = None
    ) -> tuple[LineageNode, ...]:
        """Everything an artifact was made from (``up``) or went into (``down``), nearest first."""
        with self.begun() as connection:
            return lineage.trace(connection, artifact_id, direction, max_depth)

    def live_uris(self) -> frozenset[str]:
        """The places of all artifacts that are published."""
        with self.begun() as connection:
            rows = connection.execute(select(artifact.c.uri).where(artifact.c.state == ArtifactState.LIVE.value))
            return frozenset(row.uri for row in rows)

    def close_dead(self, older_than: timedelta) -> int:
        """Close executions that say RUNNING although their process is dead; tells how many.

        Dead is, of those that began ``older_than`` ago, one whose lock nobody holds: that of its fingerprint, or its
        own (:func:`mlcore.metadata.locks.with_lock`). One that has neither is over in moments, or dead.
        """
        with self.begun() as connection:
            dead = _dead(connection, older_than)
            if dead:
                writes.close_executions(connection, execution.c.id.in_(dead), ExecutionState.CANCELED)
            return len(dead)

    def dead(self, older_than: timedelta) -> frozenset[int]:
        """Ids of the executions that :meth:`close_dead` would close."""
        with self.begun() as connection:
            return frozenset(_dead(connection, older_than))

    def makers(self, execution_ids: Collection[int]) -> dict[int, str]:
        """``<pipeline>/<Component>`` of those executions that there are."""
        query = select(execution.c.id, execution.c.pipeline, execution.c.component)
        with self.begun() as connection:
            rows = connection.execute(query.where(execution.c.id.in_(execution_ids)))
            return {row.id: f"{row.pipeline}/{row.component}" for row in rows}

    def running(self) -> frozenset[int]:
        """Ids of the executions that say RUNNING."""
        with self.begun() as connection:
            return frozenset(connection.scalars(select(execution.c.id).where(execution.c.state.in_(UNDER_WAY))))


def _dead(connection: Connection, older_than: timedelta) -> list[int]:
    # First who runs, then who holds a lock: one that begins in between is not among the first.
    lock = func.coalesce(execution.c.fingerprint, execution.c.origin[HELD].astext).label("lock")
    rows = connection.execute(
        select(execution.c.id, lock).where(
            execution.c.state.in_(UNDER_WAY), execution.c.started_at < func.now() - older_than
        )
    ).all()
    alive = held(connection, {row.lock for row in rows if row.lock})
    return [row.id for row in rows if row.lock not in alive]
