"""Who reads what: the parts of an interval that connections take one after the other."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlcore.core.window import Span
from mlcore.ingest.postgres.relation import Relation
from mlcore.ingest.postgres.survey import Counted
from mlcore.ingest.postgres.types import name_of

PART_ROWS = 250_000
"""About so many rows a range; what a smaller table is divided into is not worth a second scan of it."""
ORDERED_ROWS = 500_000
"""A span of more rows is not sorted in our memory: the server sends it in order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One COPY.

    Attributes:
        sql: The statement.
        span: Index of the span that it sends whole and in order; ``None`` for rows of many spans in any order.
    """

    sql: str
    span: int | None = None


def plan(
    relation: Relation, spans: Sequence[Span], counted: Sequence[Counted], *, connections: int
) -> tuple[Part, ...]:
    """The parts that together are every row of the spans, each once.

    Spans of many rows are read each by itself, in order. All others are read together: an interval without gaps is
    divided by ranges of the partition column, or by pages of the table, so that a table without an index on the
    event timestamp is read once and not once a span.
    """
    whole = {index for index, found in enumerate(counted) if found.rows > ORDERED_ROWS}
    parts = [
        Part(sql=relation.copy(relation.between(spans[index].start, spans[index].end), ordered=True), span=index)
        for index in sorted(whole)
    ]
    for run in _runs(spans, whole):
        if any(counted[index].rows for index in run):
            condition = relation.between(spans[run[0]].start, spans[run[-1]].end)
            ranges = _ranges(relation, [counted[index] for index in run], connections)
            parts += [Part(sql=relation.copy(f"{condition} AND {part}")) for part in ranges]
    return tuple(parts)


def _runs(spans: Sequence[Span], without: Container[int]) -> list[list[int]]:
    """Indices of spans that follow each other without a gap."""
    runs: list[list[int]] = []
    for index, span in enumerate(spans):
        if index in without:
            continue
        if runs and runs[-1][-1] == index - 1 and spans[index - 1].end == span.start:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _ranges(relation: Relation, counted: Sequence[Counted], connections: int) -> list[str]:
    rows = sum(found.rows for found in counted)
    parts = max(-(-rows // PART_ROWS), connections if rows >= PART_ROWS // 2 else 1)
    if parts == 1:
        return ["TRUE"]
    if relation.partition is not None:
        return _key_ranges(name_of(relation.partition), counted, parts)
    return _page_ranges(relation.blocks, parts) if relation.blocks >= parts else ["TRUE"]


def _key_ranges(name: str, counted: Sequence[Counted], parts: int) -> list[str]:
    low = min((found.low for found in counted if found.low is not None), default=0)
    high = max((found.high for found in counted if found.high is not None), default=0)
    step = max(-(-(high - low + 1) // parts), 1)
    edges = list(range(low + step, high + 1, step))
    if not edges:
        return ["TRUE"]
    inner = [f"{name} >= {start} AND {name} < {end}" for start, end in pairwise(edges)]
    return [f"({name} < {edges[0]} OR {name} IS NULL)", *inner, f"{name} >= {edges[-1]}"]


def _page_ranges(blocks: int, parts: int) -> list[str]:
    step = -(-blocks // parts)
    edges = list(range(step, blocks, step))
    inner = [f"ctid >= '({start},0)' AND ctid < '({end},0)'" for start, end in pairwise(edges)]
    return [f"ctid < '({edges[0]},0)'", *inner, f"ctid >= '({edges[-1]},0)'"]
