"""Lineage in one query, however deep.

The recursive part carries executions, not paths: ``UNION`` drops one that was seen, so a diamond is walked once and the
cost is that of the events there are. The depth, the fewest executions between two artifacts, comes from one
breadth-first pass over what the query found.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from mlcore.metadata.records import LineageNode, to_artifact

Direction = Literal["up", "down"]

# LATERAL ... OFFSET 0 is looked up by index for every execution, whatever the planner believes about fresh tables.
_WALK = """
WITH RECURSIVE reached(execution_id{depth_column}) AS (
    SELECT execution_id{first_depth} FROM event WHERE artifact_id = :start AND type = '{near}'
  UNION
    SELECT following.execution_id{next_depth}
    FROM reached, LATERAL (
        SELECT near.execution_id
        FROM event far JOIN event near ON near.artifact_id = far.artifact_id AND near.type = '{near}'
        WHERE far.execution_id = reached.execution_id AND far.type = '{far}'
        OFFSET 0
    ) following{stop}
)
SELECT event.execution_id AS via, artifact.*, ARRAY(
    SELECT near.execution_id FROM event near WHERE near.artifact_id = artifact.id AND near.type = '{near}'
) AS onward
FROM (SELECT DISTINCT execution_id FROM reached) seen
JOIN event ON event.execution_id = seen.execution_id AND event.type = '{far}'
JOIN artifact ON artifact.id = event.artifact_id
UNION ALL
SELECT NULL, artifact.*, ARRAY(
    SELECT near.execution_id FROM event near WHERE near.artifact_id = artifact.id AND near.type = '{near}'
)
FROM artifact WHERE artifact.id = :start
"""
_ENDS = {"up": {"near": "OUTPUT", "far": "INPUT"}, "down": {"near": "INPUT", "far": "OUTPUT"}}
_WHOLE = {"depth_column": "", "first_depth": "", "next_depth": "", "stop": ""}
_CAPPED = {
    "depth_column": ", depth",
    "first_depth": ", 1",
    "next_depth": ", reached.depth + 1",
    "stop": " WHERE reached.depth < :most",
}
_ALL = {direction: text(_WALK.format(**ends, **_WHOLE)) for direction, ends in _ENDS.items()}
_NEAR = {direction: text(_WALK.format(**ends, **_CAPPED)) for direction, ends in _ENDS.items()}
_MOST_COUNTED = 50
"""Up to this depth the query counts it and stops there; deeper, an execution would be walked once for each depth."""


def trace(
    connection: Connection, artifact_id: int, direction: Direction, max_depth: int | None = None
) -> tuple[LineageNode, ...]:
    """Every artifact that ``artifact_id`` was made from, or went into, nearest first, itself left out."""
    if max_depth is not None and max_depth <= _MOST_COUNTED:
        rows = connection.execute(_NEAR[direction], {"start": artifact_id, "most": max_depth})
    else:
        rows = connection.execute(_ALL[direction], {"start": artifact_id})
    by_execution: dict[int | None, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        by_execution[row.via].append(row)
    return _breadth_first(by_execution, artifact_id, max_depth)


def _breadth_first(
    by_execution: dict[int | None, list[Row[Any]]], start: int, max_depth: int | None
) -> tuple[LineageNode, ...]:
    found: list[LineageNode] = []
    artifacts, executions = {start}, set[int]()
    layer = sorted({id_ for row in by_execution[None] for id_ in row.onward})
    depth = 0
    while layer and (max_depth is None or depth < max_depth):
        depth += 1
        executions.update(layer)
        fresh: dict[int, tuple[int, Row[Any]]] = {}
        for via in layer:
            for row in by_execution[via]:
                if row.id not in artifacts:
                    fresh.setdefault(row.id, (via, row))
        artifacts.update(fresh)
        found += [
            LineageNode(artifact=to_artifact(fresh[id_][1]), depth=depth, execution_id=fresh[id_][0])
            for id_ in sorted(fresh)
        ]
        layer = sorted({id_ for _, row in fresh.values() for id_ in row.onward if id_ not in executions})
    return tuple(found)
