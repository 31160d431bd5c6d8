"""Between rows and the frozen records of ``mlcore.core``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, ExecutionState, NewArtifact
from mlcore.core.window import Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """The outputs of one execution, by output name, in order."""

    execution_id: int
    outputs: Mapping[str, Sequence[NewArtifact]]


class LineageNode(NamedTuple):
    """An artifact that another was made from, or went into. There may be tens of thousands: it is built when asked for.

    Attributes:
        depth: Fewest executions between the two.
        execution_id: The execution it was reached through: upward the one that read it, downward the one that made it.
        columns: Of the artifact's row: id, type, uri, digest, pipeline, state, then as text the moment of creation,
            begin and end of its span, and its properties in JSON.
    """

    depth: int
    execution_id: int
    columns: Sequence[Any]

    @property
    def artifact(self) -> Artifact:
        """The artifact as the store gives it."""
        id_, type_, uri, digest, pipeline, state, created, start, end, properties = self.columns
        return Artifact(
            id=id_,
            type=ArtifactType(type_),
            uri=uri,
            digest=digest,
            pipeline=pipeline,
            state=ArtifactState(state),
            created_at=datetime.fromisoformat(created),
            span=None if start is None else Span(start=datetime.fromisoformat(start), end=datetime.fromisoformat(end)),
            properties=json.loads(properties),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """One run: how many of its executions are in which state."""

    pipeline: str
    run: str
    states: Mapping[ExecutionState, int]


def artifact_row(artifact: NewArtifact, state: ArtifactState) -> dict[str, Any]:
    return {
        "type": artifact.type.value,
        "uri": artifact.uri,
        "digest": artifact.digest,
        "pipeline": artifact.pipeline,
        "state": state.value,
        "span_start": artifact.span.start if artifact.span else None,
        "span_end": artifact.span.end if artifact.span else None,
        "properties": dict(artifact.properties),
    }


def to_artifact(row: Row[Any]) -> Artifact:
    return Artifact(
        id=row.id,
        type=ArtifactType(row.type),
        uri=row.uri,
        digest=row.digest,
        pipeline=row.pipeline,
        state=ArtifactState(row.state),
        created_at=row.created_at,
        span=None if row.span_start is None else Span(start=row.span_start, end=row.span_end),
        properties=row.properties,
    )


def to_execution(row: Row[Any]) -> Execution:
    return Execution(
        id=row.id,
        component=row.component,
        pipeline=row.pipeline,
        run=row.run,
        fingerprint=row.fingerprint,
        state=ExecutionState(row.state),
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        parameters=row.parameters,
        origin=row.origin,
    )
