"""The metadata store: what ran, on what, and what came of it.

Every method is one transaction. A server that goes away raises ``MetadataUnavailable``, whatever was under way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Row, exists, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from mlcore.core.types import (
    Artifact,
    ArtifactState,
    ArtifactType,
    ContextType,
    EventType,
    Execution,
    ExecutionState,
    NewArtifact,
    NewExecution,
)
from mlcore.errors import MetadataError
from mlcore.metadata import lineage
from mlcore.metadata.engine import connect_engine, reporting
from mlcore.metadata.locks import advisory_locks, is_locked
from mlcore.metadata.migrate import check_version, migrate
from mlcore.metadata.records import (
    LineageNode,
    Publication,
    RunSummary,
    artifact_row,
    to_artifact,
    to_execution,
)
from mlcore.metadata.tables import artifact, association, attribution, context, event, execution, execution_cache

__all__ = ["AlreadyPublished", "MetadataStore", "Publication", "migrate"]

_ERROR_LIMIT = 4_000
_OUTPUTS = (EventType.OUTPUT.value, EventType.CACHED_OUTPUT.value)
_UNDER_WAY = (ExecutionState.NEW.value, ExecutionState.RUNNING.value)


class AlreadyPublished(MetadataError):
    """An equal execution published first, because the lock was lost with the connection that held it."""


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
    def exclusive(self, fingerprints: Sequence[str], on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the locks of fingerprints. They are free again the moment this process ends, however it ends."""
        locks: AbstractContextManager[None] = advisory_locks(self._engine, fingerprints, on_wait)
        with reporting(self._url):
            locks.__enter__()
        try:
            yield
        finally:
            locks.__exit__(None, None, None)

    def cached(self, fingerprints: Sequence[str]) -> dict[str, int]:
        """The complete execution of each fingerprint that has one."""
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

    def find_artifacts(
        self,
        *,
        type: ArtifactType,
        pipeline: str | None = None,
        run: str | None = None,
        limit: int = 1_000,
    ) -> tuple[Artifact, ...]:
        """LIVE artifacts of a type, newest first; of a run: those it made or reused."""
        query = select(artifact).where(artifact.c.type == type.value, artifact.c.state == ArtifactState.LIVE.value)
        if pipeline is not None:
            query = query.where(artifact.c.pipeline == pipeline)
        if run is not None:
            query = query.where(
                exists()
                .where(event.c.artifact_id == artifact.c.id, event.c.type.in_(_OUTPUTS))
                .where(event.c.execution_id == execution.c.id, execution.c.run == run)
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
        return self._events([execution_id], (EventType.INPUT.value,))[execution_id]

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
        with self.begun() as connection:
            fingerprints = [new.fingerprint for new, _ in executions if new.fingerprint]
            _close_dead(connection, execution.c.fingerprint.in_(fingerprints))
            return _insert_executions(connection, executions, ExecutionState.RUNNING)

    def publish(
        self, results: Sequence[Publication], on_commit: Callable[[Connection], None] | None = None
    ) -> list[dict[str, tuple[Artifact, ...]]]:
        """The one commit point: outputs LIVE, executions COMPLETE and findable, and what else changes with them.

        Args:
            results: The executions with their outputs, written and sealed.
            on_commit: More to do in the same transaction, last.

        Raises:
            AlreadyPublished: An equal execution was first.
        """
        with self.begun() as connection:
            published = _insert_outputs(connection, results)
            closed = connection.execute(
                update(execution)
                .where(execution.c.id.in_([result.execution_id for result in results]))
                .where(execution.c.state == ExecutionState.RUNNING.value)
                .values(state=ExecutionState.COMPLETE.value, finished_at=func.clock_timestamp())
                .returning(execution.c.id, execution.c.fingerprint)
            ).all()
            if len(closed) != len(results):
                raise MetadataError(
                    "an execution to publish is no longer running",
                    next_step="it was taken for dead and closed, and another runs in its place; run again",
                )
            _insert_cache(connection, closed)
            if on_commit is not None:
                on_commit(connection)
        return published

    def record_cached(
        self,
        new: NewExecution,
        inputs: Mapping[str, Sequence[int]],
        outputs: Mapping[str, Sequence[int]],
        state: Literal[ExecutionState.CACHED, ExecutionState.COMPLETE] = ExecutionState.CACHED,
    ) -> Execution:
        """Record an execution whose outputs others made."""
        with self.begun() as connection:
            (recorded,) = _insert_executions(connection, [(new, inputs)], state)
            _insert_events(connection, [(recorded.id, outputs)], EventType.CACHED_OUTPUT)
        return recorded

    def fail(self, execution_id: int, error: str, state: ExecutionState = ExecutionState.FAILED) -> None:
        """Close a running execution as failed or canceled; one that is closed already stays as it is."""
        with self.begun() as connection:
            connection.execute(
                update(execution)
                .where(execution.c.id == execution_id, execution.c.state.in_(_UNDER_WAY))
                .values(state=state.value, error=error[:_ERROR_LIMIT], finished_at=func.clock_timestamp())
            )

    def invalidate(self, execution_id: int) -> None:
        """The files of an execution's outputs are lost: nobody will reuse them."""
        with self.begun() as connection:
            connection.execute(execution_cache.delete().where(execution_cache.c.execution_id == execution_id))
            made = select(event.c.artifact_id).where(
                event.c.execution_id == execution_id, event.c.type == EventType.OUTPUT.value
            )
            connection.execute(
                update(artifact)
                .where(artifact.c.id.in_(made), artifact.c.state == ArtifactState.LIVE.value)
                .values(state=ArtifactState.DELETED.value)
            )

    def register_sources(self, files: Sequence[NewArtifact]) -> tuple[Artifact, ...]:
        """Record source files; a version that was recorded before keeps its record."""
        if not files:
            return ()
        with self.begun() as connection:
            rows = [artifact_row(file, ArtifactState.LIVE) for file in files]
            statement = upsert(artifact).values(rows)
            where = artifact.c.type == ArtifactType.SOURCE_FILE.value
            connection.execute(
                statement.on_conflict_do_nothing(index_elements=["pipeline", "uri", "digest"], index_where=where)
            )
            found = connection.execute(
                select(artifact).where(
                    where,
                    artifact.c.pipeline.in_({file.pipeline for file in files}),
                    artifact.c.uri.in_([file.uri for file in files]),
                    artifact.c.digest.in_([file.digest for file in files]),
                )
            )
            by_key = {(row.pipeline, row.uri, row.digest): to_artifact(row) for row in found}
        return tuple(by_key[file.pipeline, file.uri, file.digest] for file in files)

    def newest_sources(self, pipeline: str, uris: Sequence[str]) -> dict[str, Artifact]:
        """The newest recorded version of each source file that has one."""
        newest = (
            select(func.max(artifact.c.id))
            .where(artifact.c.type == ArtifactType.SOURCE_FILE.value)
            .where(artifact.c.pipeline == pipeline, artifact.c.uri.in_(uris))
            .group_by(artifact.c.uri)
        )
        query = select(artifact).where(artifact.c.id.in_(newest))
        with self.begun() as connection:
            return {row.uri: to_artifact(row) for row in connection.execute(query)}

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
        """Close executions that say RUNNING and whose lock nobody holds; tells how many."""
        with self.begun() as connection:
            rows = connection.execute(
                select(execution.c.id, execution.c.fingerprint).where(
                    execution.c.state.in_(_UNDER_WAY), execution.c.started_at < func.now() - older_than
                )
            ).all()
            dead = [row.id for row in rows if row.fingerprint is None or not is_locked(connection, row.fingerprint)]
            _close_dead(connection, execution.c.id.in_(dead))
            return len(dead)

    def running(self) -> frozenset[int]:
        """Ids of the executions that say RUNNING."""
        with self.begun() as connection:
            return frozenset(connection.scalars(select(execution.c.id).where(execution.c.state.in_(_UNDER_WAY))))


def _close_dead(connection: Connection, which: Any) -> None:
    connection.execute(
        update(execution)
        .where(which, execution.c.state.in_(_UNDER_WAY))
        .values(state=ExecutionState.CANCELED.value, error="its process died", finished_at=func.clock_timestamp())
    )


def _insert_executions(
    connection: Connection,
    executions: Sequence[tuple[NewExecution, Mapping[str, Sequence[int]]]],
    state: ExecutionState,
) -> tuple[Execution, ...]:
    rows = [_execution_row(new, state) for new, _ in executions]
    inserted = connection.execute(insert(execution).returning(execution, sort_by_parameter_order=True), rows).all()
    recorded = tuple(to_execution(row) for row in inserted)
    _insert_events(
        connection,
        [(new.id, inputs) for new, (_, inputs) in zip(recorded, executions, strict=True)],
        EventType.INPUT,
    )
    contexts = _contexts(connection, {(found.pipeline, found.run) for found in recorded})
    links = [
        {"context_id": context_id, "execution_id": found.id}
        for found in recorded
        for context_id in contexts[found.pipeline, found.run]
    ]
    connection.execute(insert(association), links)
    return recorded


def _execution_row(new: NewExecution, state: ExecutionState) -> dict[str, Any]:
    return {
        "component": new.component,
        "pipeline": new.pipeline,
        "run": new.run,
        "fingerprint": new.fingerprint,
        "state": state.value,
        "parameters": dict(new.parameters),
        "origin": dict(new.origin),
        "finished_at": None if state is ExecutionState.RUNNING else datetime.now(UTC),
    }


def _contexts(connection: Connection, runs: set[tuple[str, str]]) -> dict[tuple[str, str], list[int]]:
    """The ids of the pipeline's and the run's context of each run, made when they are new."""
    names = {
        (pipeline, run): [(ContextType.PIPELINE.value, pipeline), (ContextType.RUN.value, f"{pipeline}/{run}")]
        for pipeline, run in runs
    }
    wanted = sorted({name for pair in names.values() for name in pair})
    rows = [{"type": type_, "name": name} for type_, name in wanted]
    connection.execute(upsert(context).values(rows).on_conflict_do_nothing(constraint="context_name"))
    found = connection.execute(select(context).where(tuple_(context.c.type, context.c.name).in_(wanted)))
    ids = {(row.type, row.name): row.id for row in found}
    return {run: [ids[name] for name in pair] for run, pair in names.items()}


def _insert_events(
    connection: Connection, executions: Sequence[tuple[int, Mapping[str, Sequence[int]]]], type_: EventType
) -> None:
    rows = [
        {"execution_id": execution_id, "artifact_id": artifact_id, "type": type_.value, "key": key, "index": index}
        for execution_id, artifacts in executions
        for key, ids in artifacts.items()
        for index, artifact_id in enumerate(ids)
    ]
    if rows:
        connection.execute(insert(event), rows)


def _insert_outputs(connection: Connection, results: Sequence[Publication]) -> list[dict[str, tuple[Artifact, ...]]]:
    flat = [
        (result.execution_id, key, new) for result in results for key, news in result.outputs.items() for new in news
    ]
    if not flat:
        return [{} for _ in results]
    rows = [artifact_row(new, ArtifactState.LIVE) for _, _, new in flat]
    inserted = connection.execute(insert(artifact).returning(artifact, sort_by_parameter_order=True), rows).all()
    by_execution: dict[int, dict[str, list[Artifact]]] = {result.execution_id: defaultdict(list) for result in results}
    for (execution_id, key, _), row in zip(flat, inserted, strict=True):
        by_execution[execution_id][key].append(to_artifact(row))
    _insert_events(
        connection,
        [
            (id_, {key: [made.id for made in found] for key, found in keys.items()})
            for id_, keys in by_execution.items()
        ],
        EventType.OUTPUT,
    )
    _attribute(connection, [row.id for row in inserted])
    return [{key: tuple(found) for key, found in by_execution[result.execution_id].items()} for result in results]


def _attribute(connection: Connection, artifact_ids: Sequence[int]) -> None:
    """What an execution makes belongs to the contexts the execution belongs to."""
    links = (
        select(association.c.context_id, event.c.artifact_id)
        .join(event, event.c.execution_id == association.c.execution_id)
        .where(event.c.artifact_id.in_(artifact_ids), event.c.type == EventType.OUTPUT.value)
    )
    connection.execute(insert(attribution).from_select(["context_id", "artifact_id"], links))


def _insert_cache(connection: Connection, closed: Sequence[Row[Any]]) -> None:
    rows = [{"fingerprint": row.fingerprint, "execution_id": row.id} for row in closed if row.fingerprint]
    if not rows:
        return
    added = connection.execute(
        upsert(execution_cache)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["fingerprint"])
        .returning(execution_cache.c.fingerprint)
    ).all()
    if len(added) != len(rows):
        raise AlreadyPublished("an equal execution published first", next_step="run again: its outputs are reused")
