"""Lineage in one query, however deep.

The recursive part carries the set of edges, not paths: ``UNION`` drops an edge that was seen, so a diamond is walked
once and the cost is that of the edges there are. The depth, the fewest executions between two artifacts, comes from
one breadth-first pass over those edges.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from sqlalchemy import Connection, text

from mlcore.core.types import Artifact
from mlcore.metadata.records import LineageNode, to_artifact

Direction = Literal["up", "down"]

_EDGES = """
WITH RECURSIVE edge(near, far) AS (
    SELECT {near}.artifact_id, {far}.artifact_id
    FROM event {near} JOIN event {far} ON {far}.execution_id = {near}.execution_id
    WHERE {near}.artifact_id = :start AND out.type = 'OUTPUT' AND inp.type = 'INPUT'
  UNION
    SELECT {near}.artifact_id, {far}.artifact_id
    FROM edge JOIN event {near} ON {near}.artifact_id = edge.far
    JOIN event {far} ON {far}.execution_id = {near}.execution_id
    WHERE out.type = 'OUTPUT' AND inp.type = 'INPUT'
)
SELECT edge.near, edge.far, artifact.* FROM edge JOIN artifact ON artifact.id = edge.far
"""
_UP = text(_EDGES.format(near="out", far="inp"))
_DOWN = text(_EDGES.format(near="inp", far="out"))


def trace(
    connection: Connection, artifact_id: int, direction: Direction, max_depth: int | None = None
) -> tuple[LineageNode, ...]:
    """Every artifact that ``artifact_id`` was made from, or went into, nearest first, itself left out."""
    edges: dict[int, list[int]] = defaultdict(list)
    found: dict[int, Artifact] = {}
    for row in connection.execute(_UP if direction == "up" else _DOWN, {"start": artifact_id}):
        edges[row.near].append(row.far)
        found[row.far] = found.get(row.far) or to_artifact(row)
    depths = _depths(edges, artifact_id, max_depth)
    nodes = [LineageNode(artifact=found[id_], depth=depth) for id_, depth in depths.items()]
    return tuple(sorted(nodes, key=lambda node: (node.depth, node.artifact.id)))


def _depths(edges: dict[int, list[int]], start: int, max_depth: int | None) -> dict[int, int]:
    depths: dict[int, int] = {}
    layer, depth = [start], 0
    while layer and (max_depth is None or depth < max_depth):
        depth += 1
        layer = sorted({far for near in layer for far in edges.get(near, ()) if far not in depths and far != start})
        depths |= dict.fromkeys(layer, depth)
    return depths
