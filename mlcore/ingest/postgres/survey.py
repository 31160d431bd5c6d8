"""What is there, span by span, before any row is sent: how many rows, and a mark that changes when a row does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlcore.core.digests import digest_json
from mlcore.core.window import Span
from mlcore.ingest.postgres.address import Address
from mlcore.ingest.postgres.connection import query
from mlcore.ingest.postgres.relation import Relation
from mlcore.ingest.postgres.types import name_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """One span as the snapshot has it.

    Attributes:
        rows: Its rows.
        low: Smallest value of the partition column, ``None`` where there is none.
        high: Largest value.
        mark: Equal marks: no row of the span was added, changed or removed. Empty where it was not asked for.
    """

    rows: int = 0
    low: int | None = None
    high: int | None = None
    mark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """The spans in their order.

    Attributes:
        undated: Rows without an event timestamp: they belong to no span.
        undated_mark: Tells changes among those, as a span's mark does.
    """

    spans: tuple[Counted, ...]
    undated: int
    undated_mark: str = ""


def survey(
    connection: Any, address: Address, relation: Relation, spans: Sequence[Span], *, marks: bool = False
) -> Survey:
    """Count, in one pass of the server over the spans' interval.

    Args:
        connection: In the snapshot.
        address: For messages.
        relation: What is read.
        spans: In time order; there may be gaps between them.
        marks: Whether to compute the marks: from the newest ``updated_at`` where there is one, else from a hash of
            every row, which costs the server about as much as sending the rows, and us nothing.
    """
    edges = sorted({edge for span in spans for edge in (span.start, span.end)})
    name = name_of(relation.moment)
    kind = "timestamptz" if relation.moment_kind == "timestamptz" else "timestamp"
    bounds = ", ".join(relation.literal(edge) for edge in edges)
    partition = name_of(relation.partition) if relation.partition else "NULL::int8"
    mark = _mark(relation) if marks else "NULL"
    bucket = f"CASE WHEN {name} IS NOT NULL THEN width_bucket({name}::{kind}, ARRAY[{bounds}]) END"
    counts = f"count(*), min({partition})::int8, max({partition})::int8, ({mark})::text"
    condition = f"{relation.between(edges[0], edges[-1])} OR {name} IS NULL"
    statement = f"SELECT {bucket}, {counts} FROM {relation.sql} WHERE {condition} GROUP BY 1"  # noqa: S608 - quoted
    rows = query(connection, address, statement)
    found = {bucket: values for bucket, *values in rows}
    number = {edge: index + 1 for index, edge in enumerate(edges)}
    counted = [found.get(number[span.start]) for span in spans]
    return Survey(
        spans=tuple(Counted() if values is None else _counted(relation, values) for values in counted),
        undated=found[None][0] if None in found else 0,
        undated_mark=_counted(relation, found[None]).mark if None in found else "",
    )


def _mark(relation: Relation) -> str:
    if relation.updated_at is not None:
        return f"max({name_of(relation.updated_at)})"
    return f"sum(hash_record_extended(ROW({', '.join(column.hashed for column in relation.columns)}), 0))"


def _counted(relation: Relation, values: Sequence[Any]) -> Counted:
    rows, low, high, mark = values
    columns = [[column.name, column.kind, str(column.type)] for column in relation.columns]
    digest = "" if mark is None else digest_json([rows, mark, columns])  # type: ignore[list-item]
    return Counted(rows=rows, low=low, high=high, mark=digest)
