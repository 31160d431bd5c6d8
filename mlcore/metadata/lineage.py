"""Lineage in one query, however deep.

The recursive part carries edges, not paths: ``UNION`` drops one that was seen, so a diamond is walked once and the cost
is that of the events there are. The depth, the fewest executions between two artifacts, comes from one
breadth-first pass over what the query found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, text

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
    artifact.pipeline, artifact.state, CAST(artifact.created_at AS text), CAST(artifact.span_start AS text),
    CAST(artifact.span_end AS text), CAST(artifact.properties AS text)
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
_VIA, _ONWARD, _ID = 0, 1, 2
"""Where in a row are the execution it was reached through, one that it leads on to, and the artifact's columns."""
_MOST_COUNTED = 50
"""Up to this depth the query counts it and stops there; deeper, an execution would be walked once for each depth."""


def trace(
    connection: Connection, artifact_id: int, direction: Direction, max_depth: int | None = None
) -> tuple[LineageNode, ...]:
    """Every artifact that ``artifact_id`` was made from, or went into, nearest first, itself left out."""
    if max_depth is not None and max_depth <= _MOST_COUNTED:
        found = connection.execute(_NEAR[direction], {"start": artifact_id, "most": max_depth})
    else:
        found = connection.execute(_ALL[direction], {"start": artifact_id})
    return _breadth_first(found.cursor.fetchall(), artifact_id, max_depth)  # SQLAlchemy's rows take longer


def _breadth_first(rows: Iterable[Sequence[Any]], start: int, max_depth: int | None) -> tuple[LineageNode, ...]:
    """Nearest first, then by id; of executions at one depth an artifact is reached through the first."""
    reached_by = defaultdict(list)
    for row in rows:
        reached_by[row[_VIA]].append(row)
    depths: dict[int | None, int] = dict.fromkeys((row[_ONWARD] for row in reached_by[None]), 1)
    found: dict[int, tuple[int, int, int, Sequence[Any]]] = {start: (0, start, 0, ())}
    for via in (queue := list(depths)):
        depth = depths[via]
        if via is None or (max_depth is not None and depth > max_depth):
            continue
        for row in reached_by[via]:
            onward, id_ = row[_ONWARD], row[_ID]
            if onward not in depths:
                depths[onward] = depth + 1
                queue.append(onward)
            known = found.get(id_)
            if known is None or (known[0] == depth and via < known[2]):
                found[id_] = depth, id_, via, row[_ID:]
    del found[start]
    return tuple(LineageNode(depth, via, columns) for depth, _, via, columns in sorted(found.values()))
