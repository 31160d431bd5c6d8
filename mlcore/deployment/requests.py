"""What a model is asked before it is pushed: rows as they come, and rows that nobody thought of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pyarrow as pa

SAMPLE_ROWS = 200
_UNSEEN: Mapping[str, object] = {"string": "\u00bf never seen \u2603 ?", "large_string": "\u00bf never seen \u2603 ?"}
_UNSEEN_INTEGER = -(2**53)
_UNSEEN_FLOAT = -1e300
_LARGE = 1e300
_LONG_TEXT = 1_000
_HARD_ROWS = 4


def build_requests(examples: pa.Table, *, without: tuple[str, ...] = (), rows: int = SAMPLE_ROWS) -> pa.Table:
    """Rows spread evenly over the examples, then the edges.

    The edges are a row in which nothing is known, a row with values that no training row has, and for each column a
    row of the sample in which that column is not known.

    Args:
        examples: Rows as a model would be asked.
        without: Columns to leave out: the label, and what it is made of.
        rows: At most so many of the examples.
    """
    table = examples.drop_columns([name for name in without if name in examples.column_names])
    step = max(1, table.num_rows // rows)
    sample = table.take(pa.array(range(0, table.num_rows, step)[:rows], pa.int64()))
    edges = [_nothing_known(table.schema), _nothing_seen(table.schema)]
    if sample.num_rows:
        edges += [_forget(sample.slice(0, 1), name) for name in table.column_names]
    return pa.concat_tables([sample, *edges]).combine_chunks()


def hard_requests(schema: pa.Schema) -> pa.Table:
    """Rows that nobody would send on purpose: the largest and the smallest numbers, zeros, empty strings, NaN.

    What has none of these, as a date has no NaN, is not known in that row.
    """
    rows = [[_hard(field.type, number) for field in schema] for number in range(_HARD_ROWS)]
    return pa.table(
        [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(schema)], schema=schema
    )


def _hard(kind: pa.DataType, row: int) -> object:
    """By row: the largest, the smallest, zero, NaN."""
    if pa.types.is_floating(kind):
        return (_LARGE, -_LARGE, 0.0, math.nan)[row]
    if pa.types.is_integer(kind):
        most = min(2 ** (kind.bit_width - 1) - 1, -_UNSEEN_INTEGER)
        return (most, 0 if pa.types.is_unsigned_integer(kind) else -most, 0, None)[row]
    if pa.types.is_boolean(kind):
        return (True, False, False, None)[row]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ("\U0010ffff" * _LONG_TEXT, " ", "", None)[row]
    if pa.types.is_date(kind):
        return (date(9999, 12, 31), date(1, 1, 1), date(1970, 1, 1), None)[row]
    if pa.types.is_timestamp(kind):
        moments = (datetime(2262, 1, 1, tzinfo=UTC), datetime(1678, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC))
        return (*moments, None)[row]
    return None


def _nothing_known(schema: pa.Schema) -> pa.Table:
    return pa.table([pa.nulls(1, field.type) for field in schema], schema=schema)


def _nothing_seen(schema: pa.Schema) -> pa.Table:
    return pa.table([pa.array([_unseen(field.type)], field.type) for field in schema], schema=schema)


def _unseen(kind: pa.DataType) -> object:
    if pa.types.is_int64(kind):
        return _UNSEEN_INTEGER
    if pa.types.is_floating(kind):
        return _UNSEEN_FLOAT
    return _UNSEEN.get(str(kind))


def _forget(row: pa.Table, name: str) -> pa.Table:
    index = row.column_names.index(name)
    return row.set_column(index, row.schema.field(index), pa.nulls(1, row.schema.field(index).type))
