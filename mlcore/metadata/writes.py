"""What the store's transactions insert and update; each function is a few statements on the caller's connection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, text, tuple_, update
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
from mlcore.metadata.locks import lock_key
from mlcore.metadata.records import Publication, artifact_row, to_artifact, to_execution
from mlcore.metadata.tables import artifact, association, attribution, context, event, execution, execution_cache

UNDER_WAY = (ExecutionState.NEW.value, ExecutionState.RUNNING.value)
_ERROR_LIMIT = 4_000
_DIED = "its process died"

Begun = tuple[NewExecution, Mapping[str, Sequence[int]]]
"""An execution with the ids of its inputs, by input name, in order."""


class AlreadyPublished(MetadataError):
    """An equal execution published first, because the lock was lost with the connection that held it.

    Attributes:
        execution_id: The one whose outputs are there to be reused.
    """

    execution_id: int | None = None


def close_executions(connection: Connection, which: Any, state: ExecutionState, error: str = _DIED) -> None:
    """Close those of the executions that are under way, and give up what they had not published."""
    text = error.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    closed = connection.scalars(
        update(execution)
        .where(which, execution.c.state.in_(UNDER_WAY))
        .values(state=state.value, error=text[:_ERROR_LIMIT], finished_at=func.clock_timestamp())
        .returning(execution.c.id)
    ).all()
    if closed:
        pending = exists().where(event.c.artifact_id == artifact.c.id, event.c.execution_id.in_(closed))
        connection.execute(
            update(artifact)
            .where(artifact.c.state == ArtifactState.PENDING.value, pending)
            .values(state=ArtifactState.ABANDONED.value)
        )


def insert_executions(
    connection: Connection, executions: Sequence[Begun], state: ExecutionState
) -> tuple[Execution, ...]:
    """Executions with their INPUT events, in the contexts of their pipeline and run."""
    rows = [_execution_row(new, state) for new, _ in executions]
    inserted = connection.execute(insert(execution).returning(execution, sort_by_parameter_order=True), rows).all()
    recorded = tuple(to_execution(row) for row in inserted)
    insert_events(
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
    query = select(context).where(tuple_(context.c.type, context.c.name).in_(wanted))
    ids = {(row.type, row.name): row.id for row in connection.execute(query)}
    if len(ids) < len(wanted):
        rows = [{"type": type_, "name": name} for type_, name in wanted if (type_, name) not in ids]
        connection.execute(upsert(context).values(rows).on_conflict_do_nothing(constraint="context_name"))
        ids = {(row.type, row.name): row.id for row in connection.execute(query)}
    return {run: [ids[name] for name in pair] for run, pair in names.items()}


def insert_events(
    connection: Connection, executions: Sequence[tuple[int, Mapping[str, Sequence[int]]]], type_: EventType
) -> None:
    """One event an artifact, numbered within its key."""
    rows = [
        {"execution_id": execution_id, "artifact_id": artifact_id, "type": type_.value, "key": key, "index": index}
        for execution_id, artifacts in executions
        for key, ids in artifacts.items()
        for index, artifact_id in enumerate(ids)
    ]
    if rows:
        connection.execute(insert(event), rows)


def reuse_key(pipeline: str) -> str:
    """Name of the lock that whoever reuses a pipeline's outputs shares, and whoever removes them holds alone."""
    return f"reuse {pipeline}"


def hold_outputs(connection: Connection, pipeline: str, artifact_ids: Sequence[int]) -> None:
    """Until the transaction ends, nobody removes these.

    Raises:
        MetadataError: Somebody has.
    """
    if not artifact_ids:
        return
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": lock_key(reuse_key(pipeline))})
    wanted = sorted(set(artifact_ids))
    query = select(artifact.c.id).where(artifact.c.id.in_(wanted), artifact.c.state == ArtifactState.LIVE.value)
    gone = set(wanted) - set(connection.scalars(query))
    if gone:
        raise MetadataError(
            f"artifact {min(gone)} was removed while it was to be reused", next_step="run again: it is made anew"
        )


def insert_outputs(connection: Connection, results: Sequence[Publication]) -> list[dict[str, tuple[Artifact, ...]]]:
    """LIVE artifacts with their OUTPUT events, in the contexts of the executions that made them."""
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
    ids = [
        (id_, {key: [made.id for made in found] for key, found in keys.items()}) for id_, keys in by_execution.items()
    ]
    insert_events(connection, ids, EventType.OUTPUT)
    links = (
        select(association.c.context_id, event.c.artifact_id)
        .join(event, event.c.execution_id == association.c.execution_id)
        .where(event.c.artifact_id.in_([row.id for row in inserted]), event.c.type == EventType.OUTPUT.value)
    )
    connection.execute(insert(attribution).from_select(["context_id", "artifact_id"], links))
    return [{key: tuple(found) for key, found in by_execution[result.execution_id].items()} for result in results]


def complete(connection: Connection, execution_ids: Sequence[int]) -> None:
    """Close executions as COMPLETE and let their fingerprints find them.

    Raises:
        MetadataError: One is no longer running.
        AlreadyPublished: An equal one was first.
    """
    closed = connection.execute(
        update(execution)
        .where(execution.c.id.in_(execution_ids), execution.c.state == ExecutionState.RUNNING.value)
        .values(state=ExecutionState.COMPLETE.value, finished_at=func.clock_timestamp())
        .returning(execution.c.id, execution.c.fingerprint)
    ).all()
    if len(closed) != len(set(execution_ids)):
        raise MetadataError(
            "an execution to publish is no longer running",
            where=f"execution {min(set(execution_ids) - {row.id for row in closed})}",
            next_step="it was taken for dead and closed, and another may run in its place; run again",
        )
    rows = [{"fingerprint": row.fingerprint, "execution_id": row.id} for row in closed if row.fingerprint]
    if rows:
        _insert_cache(connection, sorted(rows, key=lambda row: str(row["fingerprint"])))


def _insert_cache(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    added = connection.scalars(
        upsert(execution_cache)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["fingerprint"])
        .returning(execution_cache.c.fingerprint)
    ).all()
    taken = [row["fingerprint"] for row in rows if row["fingerprint"] not in set(added)]
    if taken:
        query = select(execution_cache.c.execution_id).where(execution_cache.c.fingerprint == taken[0])
        raise already_published(connection.scalar(query))


def already_published(execution_id: int | None) -> AlreadyPublished:
    error = AlreadyPublished(
        "an equal execution published first",
        where=f"execution {execution_id}",
        next_step="run again: its outputs are reused",
    )
    error.execution_id = execution_id
    return error


def upsert_sources(connection: Connection, files: Sequence[NewArtifact]) -> dict[tuple[str, str, str], Artifact]:
    """Source files by pipeline, uri and digest; a version recorded before keeps its id and is marked as seen now."""
    by_key = {(file.pipeline, file.uri, file.digest): file for file in files}
    # In one order for everybody: rows that are locked in rings would be a deadlock.
    rows = [artifact_row(file, ArtifactState.LIVE) for _, file in sorted(by_key.items())]
    statement = upsert(artifact).values([{**row, "seen_at": func.clock_timestamp()} for row in rows])
    found = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["pipeline", "uri", "digest"],
            index_where=artifact.c.type == ArtifactType.SOURCE_FILE.value,
            set_={"properties": statement.excluded.properties, "seen_at": statement.excluded.seen_at},
        ).returning(artifact)
    )
    return {(row.pipeline, row.uri, row.digest): to_artifact(row) for row in found}
