"""A table of a PostgreSQL database: rows are copied beside it, then take their place in one transaction.

Of a delivery the rows of each span take the place of that span's, unless a run of a later moment has put some there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyarrow.csv import CSVWriter, WriteOptions

from mlcore.config.inference import AS_OF, PostgresDestination
from mlcore.core.digests import PREFIX
from mlcore.core.window import Interval
from mlcore.errors import DataError, MlcoreError, quoted
from mlcore.inference.destinations.delivery import Delivered, Delivery
from mlcore.ingest.postgres.address import Address, address_of
from mlcore.ingest.postgres.connection import connect, query, reporting

_STAGING = "mlcore_predictions"
_TYPES = {
    pa.int64(): "bigint", pa.int32(): "integer", pa.int16(): "smallint", pa.int8(): "smallint",
    pa.float64(): "double precision", pa.string(): "text", pa.bool_(): "boolean", pa.date32(): "date",
}  # fmt: skip
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replaced:
    """Which rows of the table the new ones take the place of.

    Attributes:
        moment: The column that says when.
        intervals: Those of these times.
        as_of: Where the table has later ones than these of a time, in the column :data:`AS_OF`, they stay.
    """

    moment: str
    intervals: Sequence[Interval]
    as_of: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What became of the rows.

    Attributes:
        rows: How many of them are in the table now.
        left: Times of which later rows were there.
        digest: Of all the rows, as they were copied.
    """

    rows: int
    left: tuple[Interval, ...]
    digest: str


def deliver(destination: PostgresDestination, delivery: Delivery) -> Delivered:
    """Replace the rows of each span, all in one transaction, unless those of a run of a later moment are there.

    Raises:
        DataError: The table has other columns, a value has no place in it, or the database refuses.
        ConfigError: The address is none, or the database refuses the connection.
    """
    address = address_of(destination, delivery.variables, where=delivery.where)
    replaced = Replaced(moment=delivery.moment, intervals=[one.span for one in delivery.spans], as_of=delivery.as_of)
    rows = (batch for one in delivery.spans for batch in delivery.rows(one))
    done = write_table(address, destination.table, delivery.schema, rows, replaced=replaced)
    labels = {one.span: one.span.label for one in delivery.spans}
    left = tuple(label for span, label in labels.items() if span in done.left)
    return Delivered(place=f"{address}#{destination.table}", rows=done.rows, left=left)


def write_table(
    address: Address, table: str, schema: pa.Schema, rows: Iterable[pa.RecordBatch], *, replaced: Replaced | None = None
) -> Written:
    """Write the rows into a table, which is made where there is none.

    They are copied into a table that this connection alone sees. One transaction then removes what they replace and
    moves them: another reader sees the rows of before or those of after, and after a failure those of before. Two
    that write at once wait for one another.

    Args:
        address: The database; its user may create the table, or insert into it and delete from it.
        table: Its name, with its schema where it is in none of the search path.
        schema: The columns.
        rows: What to write.
        replaced: Which rows they take the place of; by default all.

    Raises:
        DataError: The table has other columns, a value has no place in it, or the database refuses.
        ConfigError: It refuses the connection.
    """
    name = _quoted_table(table)
    types = {column.name: _type_of(column) for column in schema}
    with closing(connect(address)) as connection:
        found = query(connection, address, _COLUMNS, (name,))
        _check_columns(found, types, table)
        columns = ", ".join(f"{_quoted(column)} {type_}" for column, type_ in types.items())
        _run(connection, address, f"CREATE TEMPORARY TABLE {_STAGING} ({columns})")
        digest = _copy(connection, address, schema, rows)
        names = ", ".join(map(_quoted, types))
        with reporting(address), connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            cursor.execute(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")
            if replaced and not found:
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {_index_of(table)} ON {name} ({_quoted(replaced.moment)})")
            left = _make_room(cursor, name, replaced)
            cursor.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM {_STAGING}")  # noqa: S608
            inserted = cursor.rowcount
            cursor.execute("COMMIT")
    return Written(rows=inserted, left=left, digest=digest)


def _make_room(cursor: Any, name: str, replaced: Replaced | None) -> tuple[Interval, ...]:
    """Remove what the staged rows replace, and of those what they must not; the times of which that is so."""
    if replaced is None:
        cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - names are quoted
        return ()
    left = []
    moment = _quoted(replaced.moment)
    within = f" WHERE {moment} >= %s AND {moment} < %s"
    for interval in replaced.intervals:
        bounds = (interval.start, interval.end)
        later = f"SELECT EXISTS (SELECT FROM {name}{within} AND {_quoted(AS_OF)} > %s)"  # noqa: S608
        cursor.execute(later, (*bounds, replaced.as_of))
        if cursor.fetchone()[0]:
            left.append(interval)
        cursor.execute(f"DELETE FROM {_STAGING if left[-1:] == [interval] else name}{within}", bounds)  # noqa: S608
    return tuple(left)


def _index_of(table: str) -> str:
    """The name of the index by which rows of a time are found; PostgreSQL cuts off what is too long of a name."""
    return _quoted(f"{table.rpartition('.')[2][:50]}_spans")


def _run(connection: Any, address: Address, sql: str) -> None:
    with reporting(address), connection.cursor() as cursor:
        cursor.execute(sql)


def _copy(connection: Any, address: Address, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> str:
    stream = _Csv(schema, rows)
    try:
        with reporting(address), connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {_STAGING} FROM STDIN WITH (FORMAT csv, ENCODING 'UTF8')", stream)
    except MlcoreError as error:
        raise stream.failed or error from stream.failed
    return stream.digest


class _Csv(io.RawIOBase):
    """The rows as CSV, batch by batch: quotes stand around every value, so that nothing is not an empty string."""

    def __init__(self, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> None:
        self._schema = schema
        self._rows = iter(rows)
        self._waiting = memoryview(b"")
        self._hash = hashlib.sha256()
        self.failed: MlcoreError | None = None  # the driver would tell of it in words of its own

    @property
    def digest(self) -> str:
        return PREFIX + self._hash.hexdigest()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none when all was read."""
        while not self._waiting:
            try:
                batch = next(self._rows, None)
            except MlcoreError as error:
                self.failed = error
                raise
            if batch is None:
                return b""
            self._waiting = memoryview(self._text(batch))
        taken = self._waiting if size < 0 else self._waiting[:size]
        self._waiting = self._waiting[len(taken) :]
        self._hash.update(taken)
        return bytes(taken)

    def _text(self, batch: pa.RecordBatch) -> bytes:
        buffer = pa.BufferOutputStream()
        options = WriteOptions(include_header=False, quoting_style="all_valid")
        with CSVWriter(buffer, self._schema, write_options=options) as writer:
            writer.write_batch(batch)
        text: bytes = buffer.getvalue().to_pybytes()
        return text


def _check_columns(found: list[tuple[Any, ...]], wanted: dict[str, str], table: str) -> None:
    if found and dict(found) != wanted:
        has, asked = ({f"{name} {type_}" for name, type_ in columns} for columns in (found, wanted.items()))
        raise DataError(
            f"the table has other columns than the predictions: it has {quoted(', '.join(sorted(has - asked)), 200)}"
            f" where {quoted(', '.join(sorted(asked - has)), 200)} are to be written",
            where=table,
            next_step="name another table, or drop this one: it is made with the columns that are needed",
        )


def _type_of(column: pa.Field) -> str:
    if pa.types.is_timestamp(column.type):
        return "timestamp with time zone" if column.type.tz else "timestamp without time zone"
    if pa.types.is_decimal(column.type):
        return f"numeric({column.type.precision},{column.type.scale})"
    known = _TYPES.get(column.type)
    if known is None:
        raise DataError(
            f"column {quoted(column.name, limit=60)} is of type {column.type}, which has no place in a table",
            next_step="leave it out of the columns to keep",
        )
    return known


def _quoted_table(table: str) -> str:
    """``public.flights`` as its parts are written in SQL; a name with a dot in it cannot be named."""
    parts = table.split(".")
    if not all(parts) or len(parts) > 2:
        raise DataError(f"{quoted(table)} is no name of a table", next_step="write predictions, or reports.predictions")
    return ".".join(map(_quoted, parts))


def _quoted(name: str) -> str:
    if "\0" in name:
        raise DataError(f"{quoted(name)} cannot be the name of a column", next_step="rename it")
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
