"""Connections that share one snapshot, and the database's refusals in words. The only module that knows the driver."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psycopg2

from mlcore.errors import ConfigError, DataError
from mlcore.ingest.postgres.address import Address

_LOG = logging.getLogger(__name__)

_LOST = ("08", "57P", "40001", "40P01", "53300", "55P03", "58000")
_GONE = (psycopg2.OperationalError, psycopg2.InterfaceError)
_REFUSED_FOR_GOOD = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry|could not translate host name"
    r"|SSL was required|does not support SSL|certificate|is not permitted to log in|permission denied",
)
_REMEDIES = {
    "42501": "give the user of the connection the right to SELECT from it",
    "42P01": "correct data.source.table, with its schema, or the tables of data.source.query",
    "42703": "correct the names in data.columns, or select them in data.source.query",
    "42883": "this needs PostgreSQL 14 or newer",
    "42601": "correct data.source.query: it must be one SELECT without a semicolon",
    "57014": "raise statement_timeout for the user of the connection, or read smaller windows",
    "25006": "data.source.query may only read",
}
# One text form of every value, whatever the server's and the role's settings are.
_SETTINGS = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; SET lock_timeout = '30s';"
    " SET work_mem = '64MB'"
)


class SourceUnavailable(DataError):
    """The source's database does not answer, or the connection was lost: worth another try."""


def connect(address: Address) -> Any:
    """A connection in autocommit mode that speaks UTF-8 and UTC.

    Raises:
        ConfigError: The server refuses this user, password or database.
        SourceUnavailable: It does not answer now.
    """
    with reporting(address):
        connection = psycopg2.connect(
            address.url,
            connect_timeout=10,
            application_name="mlcore",
            client_encoding="UTF8",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=60_000,
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(_SETTINGS)
        return connection


@contextmanager
def one_snapshot(address: Address, relation: str | None, count: int) -> Iterator[Sequence[Any]]:
    """Connections, each in a read-only transaction, that all see the database as of one moment.

    The table is locked against being dropped or rewritten before the snapshot is taken: what a rewrite leaves behind
    looks empty to an older snapshot.

    Args:
        address: The database.
        relation: The table, quoted; ``None`` for a query.
        count: How many connections.
    """
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = connect(address)
            stack.callback(_close, connection)
            connections.append(connection)
        exported, lockable = "", _lockable(connections[0], address, relation)
        with reporting(address):
            for connection in connections:
                connection.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
                with connection.cursor() as cursor:
                    if exported:
                        cursor.execute("SET TRANSACTION SNAPSHOT %s", (exported,))
                    if lockable:
                        cursor.execute(f"LOCK TABLE {relation} IN ACCESS SHARE MODE")
                    if not exported and count > 1:
                        cursor.execute("SELECT pg_export_snapshot()")
                        (exported,) = cursor.fetchone()
        yield connections


@contextmanager
def reporting(address: Address) -> Iterator[None]:
    """Turns what the driver raises into words, without the address's secrets."""
    try:
        yield
    except (psycopg2.Error, psycopg2.Warning) as error:
        told = _in_words(error, address)
        # Not chained: the driver's own text may hold what was masked.
        raise told from None


def query(connection: Any, address: Address, sql: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    with reporting(address), connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def described(connection: Any, address: Address, sql: str) -> Sequence[Any]:
    """The columns of a statement, without its rows."""
    with reporting(address), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {sql} LIMIT 0")  # noqa: S608 - the table is quoted, the query is the user's own
        return tuple(cursor.description)


def cancel(connections: Sequence[Any]) -> None:
    """Ends what the connections are doing, from another thread."""
    for connection in connections:
        with suppress(psycopg2.Error):
            connection.cancel()


def _lockable(connection: Any, address: Address, relation: str | None) -> bool:
    if relation is None:
        return False
    found = query(connection, address, "SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)", (relation,))
    return bool(found) and found[0][0] in ("r", "p", "v")


def _close(connection: Any) -> None:
    with suppress(psycopg2.Error):
        connection.close()


def _in_words(error: Exception, address: Address) -> DataError | ConfigError:
    code = getattr(error, "pgcode", None) or ""
    text = address.masked(str(error)) or type(error).__name__
    # The driver raises its base class when the server goes in the middle of a COPY.
    lost = isinstance(error, _GONE) or type(error) is psycopg2.DatabaseError
    if not code and lost:
        if _REFUSED_FOR_GOOD.search(text):
            return ConfigError(
                f"the database refuses the connection: {text}",
                where=str(address),
                next_step="correct data.source.url or the variables it names",
            )
        return _unavailable(text, address)
    if code.startswith(_LOST):
        return _unavailable(text, address)
    if not code:
        return ConfigError("the address of the database is not understood", where=str(address))
    return DataError(f"the database refused: {text}", where=str(address), next_step=_REMEDIES.get(code, ""))


def _unavailable(text: str, address: Address) -> SourceUnavailable:
    return SourceUnavailable(
        f"the database does not answer: {text}",
        where=str(address),
        next_step="check that the server runs and can be reached from here, then run again",
    )
