"""What a model is asked before it is pushed: rows as they come, and rows that nobody thought of."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

SAMPLE_ROWS = 200
_UNSEEN: Mapping[str, object] = {"string": "\u00bf never seen \u2603 ?", "large_string": "\u00bf never seen \u2603 ?"}
_UNSEEN_INTEGER = -(2**53)
_UNSEEN_FLOAT = -1e300


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
