"""The order and the digest of a span's rows: functions of the rows alone, however the database stores them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.digests import digest_json


class RowsDigest:
    """SHA-256 of rows in their order, column by column: the same however they are cut into batches.

    >>> schema = pa.schema([("a", pa.int64())])
    >>> one, two = RowsDigest(schema), RowsDigest(schema)
    >>> one.add(pa.record_batch({"a": [1, None]}, schema=schema))
    >>> two.add(pa.record_batch({"a": [1]}, schema=schema)); two.add(pa.record_batch({"a": [None]}, schema=schema))
    >>> one.digest() == two.digest()
    True
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows = 0
        self._hashes = [[hashlib.sha256() for _ in range(3)] for _ in schema]

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in further rows."""
        self._rows += rows.num_rows
        for column, (present, lengths, values) in zip(rows.columns, self._hashes, strict=True):
            if column.null_count:
                present.update(pc.is_valid(column).cast(pa.uint8()).to_numpy().data)
                column = _filled(column)
            else:
                present.update(b"\1" * len(column))
            if pa.types.is_string(column.type):
                offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
                lengths.update(np.diff(offsets).data)
                values.update(memoryview(column.buffers()[2] or b"")[offsets[0] : offsets[-1]])
            else:
                values.update(_fixed(column).data)

    def digest(self) -> str:
        """The digest of all rows so far, and of their columns' names and types."""
        columns = [
            [field.name, str(field.type), *(part.hexdigest() for part in parts)]
            for field, parts in zip(self._schema, self._hashes, strict=True)
        ]
        return digest_json([self._rows, columns])  # type: ignore[list-item]


def in_order(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows sorted by the key, nulls last, and where keys repeat by all other columns too."""
    if not table.num_rows:
        return table
    order, distinct = _order(table, list(key))
    if not distinct:
        order, _ = _order(table, [*key, *(name for name in table.column_names if name not in key)])
    return table if _is_identity(order) else table.take(pa.array(order))


def _order(table: pa.Table, names: Sequence[str]) -> tuple[np.ndarray, bool]:
    """The permutation that sorts by columns, and whether every row then differs from its neighbour."""
    ranks: list[np.ndarray] = []
    for name in names:
        ranks.append(_ranks(table[name]))
        order = np.lexsort(ranks[::-1]) if len(ranks) > 1 else np.argsort(ranks[0], kind="stable")
        same = np.ones(len(order) - 1, bool)
        for rank in ranks:
            arranged = rank[order]
            same &= arranged[1:] == arranged[:-1]
        if not same.any():
            return order, True
    return order, False


def _ranks(column: pa.ChunkedArray) -> Any:
    """Integers in the order of the column's values."""
    kind = column.type
    if not column.null_count and (pa.types.is_integer(kind) or pa.types.is_temporal(kind)):
        return column.cast(pa.int64() if kind.bit_width == 64 else pa.int32()).to_numpy()
    if pa.types.is_string(kind):
        coded = column.combine_chunks().dictionary_encode()
        rank = pc.rank(coded.dictionary, tiebreaker="dense").to_numpy().astype(np.int64)
        codes = coded.indices.fill_null(len(rank)).to_numpy(zero_copy_only=False)
        return np.append(rank, len(rank) + 1)[codes]
    return pc.rank(column, tiebreaker="dense").to_numpy().astype(np.int64)


def _is_identity(order: np.ndarray) -> bool:
    return bool((order[1:] > order[:-1]).all())


def _filled(column: pa.Array) -> pa.Array:
    """The column with a fixed value where there is none: what lies under a null is nobody's."""
    if pa.types.is_string(column.type):
        return column.fill_null("")
    zero = pa.Array.from_buffers(column.type, 1, [None, pa.py_buffer(bytes(32))])
    return column.fill_null(zero[0])


def _fixed(column: pa.Array) -> Any:
    """The bytes of a column of values of equal width."""
    if pa.types.is_boolean(column.type):
        return column.cast(pa.uint8()).to_numpy()
    width = column.type.bit_width // 8
    raw = np.frombuffer(column.buffers()[1], np.uint8)
    return raw[column.offset * width : (column.offset + len(column)) * width]
