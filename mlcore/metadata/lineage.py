"""Lineage in one query, however deep.

The recursive part carries edges, not paths: ``UNION`` drops one that was seen, so a diamond is walked once and the cost
is that of the events there are. The depth, the fewest executions between two artifacts, comes from one
breadth-first pass over what the query found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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
    return tuple(_breadth_first(found.cursor.fetchall(), artifact_id, max_depth))  # SQLAlchemy's rows take longer


def _breadth_first(rows: Iterable[Sequence[Any]], start: int, max_depth: int | None) -> Iterator[LineageNode]:
    """Nearest first, then by id; of executions at one depth an artifact is reached through the first."""
    reached_by = defaultdict(list)
    for row in rows:
        reached_by[row[_VIA]].append(row)
    artifacts, executions = {start}, set[int]()
    layer, depth = sorted({row[_ONWARD] for row in reached_by[None]} - {None}), 0
    while layer and (max_depth is None or depth < max_depth):
        depth += 1
        executions.update(layer)
        fresh: dict[int, Sequence[Any]] = {}
        onward = set()
        for via in layer:
            for row in reached_by[via]:
                if row[_ID] not in artifacts:
                    fresh.setdefault(row[_ID], row)
                    onward.add(row[_ONWARD])  # an artifact has a row for each execution that it leads on to
        artifacts.update(fresh)
        for id_ in sorted(fresh):
            row = fresh[id_]
            yield LineageNode(depth, row[_VIA], row[_ID:])
        onward -= executions
        onward.discard(None)
        layer = sorted(onward)
