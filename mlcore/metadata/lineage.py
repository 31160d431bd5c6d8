"""Lineage in one query, however deep.

The recursive part carries edges, not paths: ``UNION`` drops one that was seen, so a diamond is walked once and the cost
is that of the events there are. The depth, the fewest executions between two artifacts, comes from one
breadth-first pass over what the query found.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import Span
from mlcore.metadata.records import LineageNode

Direction = Literal["up", "down"]

# LATERAL ... OFFSET 0 is looked up by index for every execution, whatever the planner believes about fresh tables.
_WALK = """
WITH RECURSIVE reached(via, artifact_id, execution_id{depth_column}) AS (
    SELECT CAST(NULL AS bigint), start.id, near.execution_id{first_depth}
    FROM (SELECT CAST(:start AS bigint) AS id) start
    LEFT JOIN event near ON near.artifact_id = start.id AND near.type = '{near}'
  UNION
    SELECT reached.execution_id, following.artifact_id, following.execution_id{next_depth}
    FROM reached, LATERAL (
        SELECT far.artifact_id, near.execution_id
        FROM event far LEFT JOIN event near ON near.artifact_id = far.artifact_id AND near.type = '{near}'
        WHERE far.execution_id = reached.execution_id AND far.type = '{far}'
        OFFSET 0
    ) following{stop}
)
SELECT reached.via, reached.execution_id AS onward, artifact.id, artifact.type, artifact.uri, artifact.digest,
    artifact.pipeline, artifact.state, artifact.created_at, artifact.span_start, artifact.span_end,
    CAST(artifact.properties AS text) AS properties
FROM reached JOIN artifact ON artifact.id = reached.artifact_id
"""
_ENDS = {"up": {"near": "OUTPUT", "far": "INPUT"}, "down": {"near": "INPUT", "far": "OUTPUT"}}
_WHOLE = {"depth_column": "", "first_depth": "", "next_depth": "", "stop": ""}
_CAPPED = {
    "depth_column": ", depth",
    "first_depth": ", 0",
    "next_depth": ", reached.depth + 1",
    "stop": " WHERE reached.depth < :most",
}
_ALL = {direction: text(_WALK.format(**ends, **_WHOLE)) for direction, ends in _ENDS.items()}
_NEAR = {direction: text(_WALK.format(**ends, **_CAPPED)) for direction, ends in _ENDS.items()}
_TYPES, _STATES = {one.value: one for one in ArtifactType}, {one.value: one for one in ArtifactState}
_MOST_COUNTED = 50
"""Up to this depth the query counts it and stops there; deeper, an execution would be walked once for each depth."""


def trace(
    connection: Connection, artifact_id: int, direction: Direction, max_depth: int | None = None
) -> tuple[LineageNode, ...]:
    """Every artifact that ``artifact_id`` was made from, or went into, nearest first, itself left out."""
    if max_depth is not None and max_depth <= _MOST_COUNTED:
        rows = connection.execute(_NEAR[direction], {"start": artifact_id, "most": max_depth}).all()
    else:
        rows = connection.execute(_ALL[direction], {"start": artifact_id}).all()
    found: dict[int, Sequence[Any]] = {}
    of: dict[int | None, list[int]] = defaultdict(list)
    onward: dict[int, set[int]] = defaultdict(set)
    for via, execution_id, *columns in rows:
        found[columns[0]] = columns  # once for each execution that it leads on to
        of[via].append(columns[0])
        if execution_id is not None:
            onward[columns[0]].add(execution_id)
    depths = _breadth_first(of, onward, artifact_id, max_depth)
    return tuple(
        LineageNode(artifact=_artifact(*found[id_]), depth=depth, execution_id=via) for id_, depth, via in depths
    )


def _breadth_first(
    of: Mapping[int | None, Sequence[int]], onward: Mapping[int, Iterable[int]], start: int, max_depth: int | None
) -> list[tuple[int, int, int]]:
    """Artifacts with their depths and the executions they were reached through, nearest first, then by id."""
    found: list[tuple[int, int, int]] = []
    artifacts, executions = {start}, set[int]()
    layer, depth = sorted(onward.get(start, ())), 0
    while layer and (max_depth is None or depth < max_depth):
        depth += 1
        executions.update(layer)
        fresh: dict[int, int] = {}
        for via in layer:
            for id_ in of.get(via, ()):
                if id_ not in artifacts:
                    fresh.setdefault(id_, via)
        artifacts.update(fresh)
        nearest = sorted(fresh)
        found += [(id_, depth, fresh[id_]) for id_ in nearest]
        layer = sorted({further for id_ in nearest for further in onward.get(id_, ()) if further not in executions})
    return found


def _artifact(
    id_: int, type_: str, uri: str, digest: str, pipeline: str, state: str, created: datetime,
    start: datetime | None, end: datetime | None, properties: str,
) -> Artifact:  # fmt: skip
    """As :func:`mlcore.metadata.records.to_artifact`, in a fifth of its time: there may be tens of thousands."""
    return Artifact(
        id=id_,
        type=_TYPES[type_],
        uri=uri,
        digest=digest,
        pipeline=pipeline,
        state=_STATES[state],
        created_at=created,
        span=None if start is None or end is None else Span(start=start, end=end),
        properties={} if properties == "{}" else json.loads(properties),
    )
