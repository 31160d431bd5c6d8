"""COPY into Arrow: the server's CSV, a few megabytes at a time, parsed as it comes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv

from mlcore.errors import MalformedData, quoted
from mlcore.ingest.postgres.address import Address
from mlcore.ingest.postgres.connection import SourceUnavailable, reporting
from mlcore.ingest.postgres.types import Column

CHUNK_BYTES = 4 << 20
_FAULT = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?(.*)", re.DOTALL)
_VALUE = re.compile(r"(?:invalid value|string|converting) '(.*?)'(?: is| to|$)", re.DOTALL)


def copy_batches(
    connection: Any,
    address: Address,
    sql: str,
    columns: Sequence[Column],
    sink: Callable[[pa.RecordBatch], None],
) -> int:
    """Run one COPY; ``sink`` is called with the rows as they come. The number of rows.

    The driver hands over a row at a time. A buffer written in C gathers them, and calls back with whole rows only:
    it is flushed before the row that would not fit, and passes on a row that is larger than it as one piece.

    Raises:
        MalformedData: A value has no exact form in its column's Arrow type.
        SourceUnavailable: The connection was lost.
    """
    parser = _Parser(columns, sink, address)
    buffer = io.BufferedWriter(parser, CHUNK_BYTES)
    try:
        with reporting(address), connection.cursor() as cursor:
            cursor.copy_expert(sql, buffer)
            buffer.flush()
            sent = cursor.rowcount
    finally:
        parser.ended = True
    if sent not in (-1, parser.rows):
        raise SourceUnavailable(f"{sent} rows were sent and {parser.rows} arrived", where=str(address))
    return parser.rows


class _Parser(io.RawIOBase):
    """Where the buffer is flushed to."""

    def __init__(self, columns: Sequence[Column], sink: Callable[[pa.RecordBatch], None], address: Address) -> None:
        self.rows = 0
        self.ended = False  # after a failure the buffer is flushed once more, when it goes
        self._columns = columns
        self._sink = sink
        self._address = address
        self._schema = pa.schema([(column.name, column.type) for column in columns])
        text = any(pa.types.is_string(column.type) for column in columns)
        self._parse = csv.ParseOptions(newlines_in_values=text, ignore_empty_lines=False)
        self._convert = csv.ConvertOptions(
            column_types=self._schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        rows = bytes(data)  # the buffer is filled again while Arrow still holds what it was given
        if rows and not self.ended:
            batch = self._read(rows)
            self.rows += batch.num_rows
            self._sink(batch)
        return len(rows)

    def _read(self, rows: bytes) -> pa.RecordBatch:
        options = csv.ReadOptions(
            column_names=self._schema.names, use_threads=False, block_size=min(len(rows) + 1, 2**31 - 1)
        )
        try:
            table = csv.read_csv(
                pa.BufferReader(rows), read_options=options, parse_options=self._parse, convert_options=self._convert
            )
        except pa.ArrowInvalid as error:
            raise _unreadable(str(error), self._columns, self._address) from error
        return table.combine_chunks().to_batches()[0]


def _unreadable(text: str, columns: Sequence[Column], address: Address) -> MalformedData:
    """Which column, which value, and what to do: Arrow says it by number."""
    fault = _FAULT.search(text)
    if fault is None or int(fault[1]) >= len(columns):
        return MalformedData(f"the rows cannot be read: {quoted(text)}", where=str(address))
    column = columns[int(fault[1])]
    found = _VALUE.search(fault[2])
    value = f" {quoted(found[1], limit=60)}" if found else f": {quoted(fault[2])}"
    return MalformedData(
        f"column {column.name} holds a value that {column.type} has no place for{value}",
        where=str(address),
        next_step=_remedy(column),
    )


def _remedy(column: Column) -> str:
    name = '"' + column.name.replace('"', '""') + '"'
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return (
            "years 1 to 9999 can be read: correct the row, or map it in data.source.query, "
            f"for instance CASE WHEN isfinite({name}) THEN {name} END"
        )
    if pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        return f"declare the column as float64, or cast it in data.source.query, for instance {name}::float8"
    return "store the text as UTF-8, or repair it in data.source.query"
