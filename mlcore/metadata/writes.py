"""What the store's transactions insert and update; each function is a few statements on the caller's connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError

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
from mlcore.metadata.engine import sqlstate
from mlcore.metadata.locks import lock_key
from mlcore.metadata.records import Publication, artifact_row, to_artifact
from mlcore.metadata.tables import SIGHTING, artifact, event, execution

UNDER_WAY = (ExecutionState.NEW.value, ExecutionState.RUNNING.value)
_ERROR_LIMIT = 4_000
_DIED = "its process died"
_NOT_RUNNING, _TAKEN = "ML001", "ML002"
"""What the function ``mlcore_publish`` raises."""

Ask = Callable[[str, Sequence[object]], Sequence[Sequence[Any]]]
"""Sends a statement of the driver's with its parameters, and returns the rows it is answered with."""

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


def within(connection: Connection) -> Ask:
    """Statements as part of what else a connection does."""
    return lambda statement, parameters: connection.exec_driver_sql(statement, tuple(parameters)).all()


def insert_executions(ask: Ask, executions: Sequence[Begun], state: ExecutionState) -> tuple[Execution, ...]:
    """Executions with their INPUT events, in the contexts of their pipeline and run.

    Of RUNNING ones, earlier ones of the same fingerprints that still say so are closed first.
    """
    given = [_execution_row(new) | {"inputs": dict(inputs)} for new, inputs in executions]
    rows = ask("SELECT made, began, ended FROM mlcore_begin(%s::jsonb, %s)", (json.dumps(given), state.value))
    return tuple(
        Execution(
            id=made,
            component=new.component,
            pipeline=new.pipeline,
            run=new.run,
            fingerprint=new.fingerprint,
            state=state,
            started_at=began,
            finished_at=ended,
            parameters=new.parameters,
            origin=new.origin,
        )
        for (new, _), (made, began, ended) in zip(executions, rows, strict=True)
    )


def _execution_row(new: NewExecution) -> dict[str, Any]:
    return {
        "component": new.component,
        "pipeline": new.pipeline,
        "run": new.run,
        "fingerprint": new.fingerprint,
        "parameters": dict(new.parameters),
        "origin": dict(new.origin),
    }


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


def publish(ask: Ask, results: Sequence[Publication]) -> list[dict[str, tuple[Artifact, ...]]]:
    """LIVE artifacts with their OUTPUT events, in the contexts of the executions that made them, which are COMPLETE.

    Their fingerprints find them from now on.

    Raises:
        MetadataError: One is no longer running.
        AlreadyPublished: An equal one was first.
    """
    given = [{"execution": result.execution_id, "outputs": _output_rows(result)} for result in results]
    try:
        rows = ask("SELECT made, created FROM mlcore_publish(%s::jsonb)", (json.dumps(given),))
    except DBAPIError as error:
        _refused(error)
        raise
    ids = iter(rows)
    return [
        {key: tuple(_published(new, *next(ids)) for new in news) for key, news in result.outputs.items()}
        for result in results
    ]


def _output_rows(result: Publication) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "index": index,
            "type": new.type.value,
            "uri": new.uri,
            "digest": new.digest,
            "pipeline": new.pipeline,
            "span_start": new.span.start.isoformat() if new.span else None,
            "span_end": new.span.end.isoformat() if new.span else None,
            "properties": dict(new.properties),
        }
        for key, news in result.outputs.items()
        for index, new in enumerate(news)
    ]


def _published(new: NewArtifact, made: int, created: datetime) -> Artifact:
    return Artifact(
        id=made,
        type=new.type,
        uri=new.uri,
        digest=new.digest,
        pipeline=new.pipeline,
        state=ArtifactState.LIVE,
        created_at=created,
        span=new.span,
        properties=new.properties,
    )


def _refused(error: DBAPIError) -> None:
    detail = getattr(getattr(error.orig, "diag", None), "message_detail", None)
    execution_id = int(detail) if detail else None
    if sqlstate(error) == _NOT_RUNNING:
        raise MetadataError(
            "an execution to publish is no longer running",
            where=f"execution {execution_id}",
            next_step="it was taken for dead and closed, and another may run in its place; run again",
        ) from error
    if sqlstate(error) == _TAKEN:
        raise already_published(execution_id) from error


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
    statement = upsert(artifact).values([{**row, "sighting": SIGHTING.next_value()} for row in rows])
    found = connection.execute(
        statement.on_conflict_do_update(
            index_elements=["pipeline", "uri", "digest"],
            index_where=artifact.c.type == ArtifactType.SOURCE_FILE.value,
            set_={"properties": statement.excluded.properties, "sighting": statement.excluded.sighting},
        ).returning(artifact)
    )
    return {(row.pipeline, row.uri, row.digest): to_artifact(row) for row in found}
