"""Between rows and the frozen records of ``mlcore.core``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, ExecutionState, NewArtifact
from mlcore.core.window import Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """The outputs of one execution, by output name, in order."""

    execution_id: int
    outputs: Mapping[str, Sequence[NewArtifact]]


@dataclass(frozen=True, kw_only=True, slots=True)
class LineageNode:
    """An artifact that another was made from, or went into.

    Attributes:
        depth: Fewest executions between the two.
        execution_id: The execution it was reached through: upward the one that read it, downward the one that made it.
    """

    artifact: Artifact
    depth: int
    execution_id: int


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
