"""Which predictions of a span stood when its outcomes became known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, DateTime, cast, select

from mlcore.core.types import Artifact, ArtifactState, ArtifactType, EventType
from mlcore.core.window import Span
from mlcore.metadata.records import to_artifact
from mlcore.metadata.tables import artifact, event, execution

MODEL_DIGEST = "model_digest"
"""Property of Predictions: the digest of the model that made them."""


def standing(
    connection: Connection,
    pipeline: str,
    model_digest: str,
    until: Mapping[Span, datetime],
    *,
    type: ArtifactType = ArtifactType.PREDICTIONS,
) -> tuple[Artifact, ...]:
    """A model's predictions of each span by the newest run as of no later moment than its own; of spans that have any.

    Args:
        connection: To the store.
        pipeline: Whose runs.
        model_digest: Of the model.
        until: By span, the last moment a run may be as of.
        type: ``CHALLENGER_PREDICTIONS`` of a model that was asked beside the champion.
    """
    if not until:
        return ()
    as_of = cast(execution.c.origin["as_of"].astext, DateTime(timezone=True)).label("as_of")
    query = (
        select(as_of, artifact)
        .join(event, event.c.artifact_id == artifact.c.id)
        .join(execution, execution.c.id == event.c.execution_id)
        .where(artifact.c.pipeline == pipeline, artifact.c.type == type.value)
        .where(artifact.c.state == ArtifactState.LIVE.value)
        .where(artifact.c.properties[MODEL_DIGEST].astext == model_digest)
        .where(artifact.c.span_start >= min(until).start, artifact.c.span_end <= max(until).end)
        .where(event.c.type.in_((EventType.OUTPUT.value, EventType.CACHED_OUTPUT.value)))
        .where(execution.c.origin.has_key("as_of"))
        .order_by(as_of, artifact.c.id)
    )
    found: dict[Span, Artifact] = {}
    for row in connection.execute(query):
        made = to_artifact(row)
        if made.span is not None and made.span in until and row.as_of <= until[made.span]:
            found[made.span] = made
    return tuple(found[span] for span in sorted(found))
