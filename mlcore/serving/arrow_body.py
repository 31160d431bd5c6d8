"""A request's Arrow stream, read only when what it becomes is bounded.

A stream of a few kilobytes can become gigabytes: its buffers may be compressed, its rows may be of no bytes at all
(nulls), and its strings may all be one (dictionaries, views). What it says of itself is added up before a buffer is
decompressed, and before a column is converted. The layout of messages is that of Arrow's ``Message.fbs``.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import RequestRefused, quoted

_DICTIONARY, _BATCH = 2, 3
_HEADER_TYPE, _HEADER = 1, 2
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DATA = 1
_BUFFER_BYTES = 16
_VALUE_BYTES = 8
_VIEW = 4
"""A view is four 32-bit numbers, of which the first is its length."""


def read_stream(body: bytes, columns: Collection[str], *, most_bytes: int) -> pa.Table:
    """The rows of a stream.

    Args:
        body: What was sent.
        columns: Those that will be read; others may be of any kind.
        most_bytes: The decompressed stream, and the columns read with their values written out, have no more.

    Raises:
        RequestRefused: It is no Arrow stream, or would become more than may be.
    """
    buffer = pa.py_buffer(body)
    try:
        total = _announced(buffer, len(columns), most_bytes)
        with pa.ipc.open_stream(buffer) as reader:
            table = reader.read_all()
        table.validate(full=True)
        for name in columns:
            for column in (table.column(index) for index in table.schema.get_all_field_indices(name)):
                total += sum(_written_out(chunk) for chunk in column.chunks)
    except (pa.ArrowException, OSError, EOFError, struct.error, IndexError) as error:
        raise RequestRefused(f"the body is no Arrow stream: {quoted(str(error))}") from error
    _check(total, most_bytes)
    return table


def _announced(buffer: pa.Buffer, columns: int, most_bytes: int) -> int:
    """Bytes of all batches when they are decompressed, and those of their rows' plain values."""
    total = 0
    for message in pa.ipc.MessageReader.open_stream(buffer):
        batch = _batch(_Table.root(message.metadata.to_pybytes()))
        if batch is None:
            continue
        total += batch.int64(_LENGTH) * max(columns, 1) * _VALUE_BYTES
        total += _decompressed(batch, message.body)
        _check(total, most_bytes)
    return total


def _check(total: int, most_bytes: int) -> None:
    if total > most_bytes:
        raise RequestRefused(
            f"the Arrow stream becomes {total:,} bytes when it is read, more than the {most_bytes:,} allowed",
            next_step="send fewer rows at once",
        )


def _written_out(chunk: pa.Array) -> int:
    """Bytes of a column's values when equal ones are not shared any more."""
    if pa.types.is_dictionary(chunk.type):
        return len(chunk) * _longest(chunk.dictionary)
    if pa.types.is_string_view(chunk.type):
        _, views, *_ = chunk.buffers()
        lengths = np.frombuffer(views, np.int32)[chunk.offset * _VIEW : (chunk.offset + len(chunk)) * _VIEW : _VIEW]
        return int(lengths.astype(np.int64).sum())
    return 0


def _longest(values: pa.Array) -> int:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return int(pc.max(pc.binary_length(values)).as_py() or 0)
    if pa.types.is_nested(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind):
        raise RequestRefused(f"a column is a dictionary of {kind}", next_step="send its values as they are")
    return _VALUE_BYTES


class _Table:
    """A table of a FlatBuffer: fields by number, each somewhere after the table's start, or nowhere."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._start = data, start
        self._fields = start - self._number("<i", start)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """The table that a buffer is."""
        return cls(data, struct.unpack_from("<I", data)[0])

    def _number(self, form: str, at: int) -> int:
        return int(struct.unpack_from(form, self._data, at)[0])

    def _place(self, field: int) -> int:
        """Where a field is; 0 where it is nowhere."""
        size, at = self._number("<H", self._fields), 4 + 2 * field
        offset = self._number("<H", self._fields + at) if at < size else 0
        return self._start + offset if offset else 0

    def uint8(self, field: int) -> int:
        place = self._place(field)
        return self._data[place] if place else 0

    def int64(self, field: int) -> int:
        """A number that is none below zero."""
        place = self._place(field)
        number = self._number("<q", place) if place else 0
        if number < 0:
            raise IndexError(f"a length of {number}")
        return number

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self._data, place + self._number("<I", place)) if place else None

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structures of two numbers each."""
        place = self._place(field)
        if not place:
            return []
        start = place + self._number("<I", place)
        count = self._number("<I", start)
        return list(struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + count * _BUFFER_BYTES]))


def _batch(message: _Table) -> _Table | None:
    """The rows that a message brings, those of a dictionary too."""
    kind, header = message.uint8(_HEADER_TYPE), message.table(_HEADER)
    if header is None or kind not in (_DICTIONARY, _BATCH):
        return None
    return header.table(_DATA) if kind == _DICTIONARY else header


def _decompressed(batch: _Table, body: pa.Buffer) -> int:
    if batch.table(_COMPRESSION) is None:
        return int(body.size)
    return sum(max(_uncompressed(body, offset, size), size) for offset, size in batch.pairs(_BUFFERS) if size > 0)


def _uncompressed(body: pa.Buffer, offset: int, size: int) -> int:
    """The number that stands before a compressed buffer; -1 says that it is not compressed."""
    if offset < 0 or offset + size > body.size or size < _VALUE_BYTES:
        raise IndexError("a buffer that lies outside of its message")
    (number,) = struct.unpack("<q", body.slice(offset, _VALUE_BYTES).to_pybytes())
    return int(number)
