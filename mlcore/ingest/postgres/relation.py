"""What is read: a table or a query, the column that divides it by time, and the column that divides it for readers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from mlcore.config.sources import PostgresSource
from mlcore.errors import ConfigError, quoted
from mlcore.ingest.postgres.address import Address
from mlcore.ingest.postgres.connection import query
from mlcore.ingest.postgres.types import Column, columns_of, kinds_of, name_of

_INTEGERS = ("int2", "int4", "int8")
_MOMENTS = ("timestamptz", "timestamp", "date")


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """A table or query as it was found in a snapshot.

    Attributes:
        sql: What stands after FROM.
        columns: The columns to read.
        moment: The event timestamp's column.
        moment_kind: Its type: timestamptz, timestamp (taken to be UTC) or date.
        key: What rows are ordered by.
        partition: The integer column whose ranges are read side by side, if there is one.
        blocks: Pages of the table, to be divided where there is no such column; 0 for what has none.
        updated_at: The column that every change raises, if there is one.
    """

    sql: str
    columns: tuple[Column, ...]
    moment: str
    moment_kind: str
    key: tuple[Column, ...]
    partition: str | None
    blocks: int
    updated_at: str | None

    def between(self, start: datetime, end: datetime) -> str:
        """The condition of a half-open interval, in a form that an index on the column serves."""
        name = name_of(self.moment)
        return f"({name} >= {self.literal(start)} AND {name} < {self.literal(end)})"

    def literal(self, moment: datetime) -> str:
        """A moment as the event timestamp's type compares with it."""
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
        return f"timestamptz '{text}+00'" if self.moment_kind == "timestamptz" else f"timestamp '{text}'"

    def copy(self, condition: str, *, ordered: bool = False) -> str:
        """The statement that sends the rows of a condition, as CSV that tells NULL from an empty text."""
        selected = ", ".join(f"{column.sql} AS {name_of(column.name)}" for column in self.columns)
        rest = [column for column in self.columns if column not in self.key]
        order = " ORDER BY " + ", ".join(column.order for column in (*self.key, *rest)) if ordered else ""
        rows = f"SELECT {selected} FROM {self.sql} WHERE {condition}{order}"  # noqa: S608 - names are quoted
        return f"COPY ({rows}) TO STDOUT (FORMAT csv)"


def relation_sql(source: PostgresSource) -> str:
    """What stands after FROM: the quoted table, or the query in parentheses."""
    if source.table is not None:
        return ".".join(name_of(part) for part in _parts(source.table))
    assert source.query is not None  # the configuration has one of them
    return f"({source.query.strip().rstrip(';')}\n) AS source_rows"


def table_sql(source: PostgresSource) -> str | None:
    """The quoted table; ``None`` for a query."""
    return relation_sql(source) if source.table is not None else None


def describe(
    connection: Any,
    address: Address,
    source: PostgresSource,
    *,
    columns: Mapping[str, pa.DataType] | None,
    event_timestamp: str,
    key: Sequence[str],
) -> Relation:
    """The relation of a source, as the connection's snapshot has it.

    Raises:
        ConfigError: A column is not there or has a type that cannot be read; ``partition_by`` is no integer.
        DataError: The table is not there, or the query is wrong.
    """
    sql = relation_sql(source)
    read = columns_of(connection, address, sql, columns)
    by_name = {column.name: column for column in read}
    extras = [name for name in (source.partition_by, source.updated_at) if name is not None]
    kinds = kinds_of(connection, address, sql, [event_timestamp, *extras])
    for setting, name in (("data.event_timestamp", event_timestamp), ("data.source.updated_at", source.updated_at)):
        if name is not None and kinds[name] not in _MOMENTS:
            raise ConfigError(
                f"column {quoted(name)} is no timestamp",
                where=setting,
                next_step="choose a column of type timestamptz, timestamp or date, or cast it in data.source.query",
            )
    if source.partition_by is not None and kinds[source.partition_by] not in _INTEGERS:
        raise ConfigError(
            f"column {quoted(source.partition_by)} is no integer",
            where="data.source.partition_by",
            next_step="choose a column of type smallint, integer or bigint, or leave it out",
        )
    storage = _storage(connection, address, source)
    return Relation(
        sql=sql,
        columns=read,
        moment=event_timestamp,
        moment_kind=kinds[event_timestamp],
        key=tuple(by_name[name] for name in key),
        partition=source.partition_by or storage.partition,
        blocks=storage.blocks,
        updated_at=source.updated_at,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Storage:
    """How a table lies on disk: its primary key where that is one integer, and its pages."""

    partition: str | None = None
    blocks: int = 0


def _storage(connection: Any, address: Address, source: PostgresSource) -> _Storage:
    """A query and a view have none; a partitioned table has a key, and its pages are those of its partitions."""
    if source.table is None:
        return _Storage()
    found = query(
        connection,
        address,
        """
        SELECT pg_relation_size(c.oid) / current_setting('block_size')::int8, a.attname::text
        FROM pg_class c
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
            AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'm', 'p')
        """,
        (relation_sql(source),),
    )
    return _Storage(blocks=found[0][0], partition=found[0][1]) if found else _Storage()


def _parts(table: str) -> list[str]:
    parts = [part.strip('"').replace('""', '"') for part in re.findall(r'"(?:[^"]|"")+"|[^".]+', table)]
    if not 1 <= len(parts) <= 3:
        raise ConfigError(
            f"{quoted(table)} is no table name", where="data.source.table", next_step="write schema.table"
        )
    return parts
