"""Connections to the metadata database, and its outages in words."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

import psycopg2
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mlcore.core.disk import DATA_LINK, database_is_full
from mlcore.errors import MetadataError, MetadataUnavailable

# A server that vanishes with its machine is noticed within a minute or so, also while a long statement is waited for.
_CONNECTION = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "mlcore",
}
_RESTED_SECONDS = 1.0
_LOST = ("08", "57P")
_REMEDIES = {
    "53100": "the disk of the database is full: free some space there, then run again",
    "53200": "raise max_locks_per_transaction or the memory of the database, then run again",
    "53300": "raise max_connections of the database or run less at once, then run again",
    "42501": "give the database's user the right to do it (the owner of the database has it), then run again",
    "25006": "this server only reads: name the primary in MLCORE_DATABASE_URL",
    "40001": "another transaction was first: run again",
    "40P01": "another transaction was first: run again",
}
_engines: WeakSet[Engine] = WeakSet()


def _forget_inherited() -> None:
    for engine in list(_engines):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_inherited)


def connect_engine(url: str) -> Engine:
    """An engine for one process; a forked child drops the connections it inherited without closing its parent's.

    Raises:
        MetadataError: The URL is no PostgreSQL URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise MetadataError(
            "the database URL cannot be parsed",
            next_step="write postgresql+psycopg2://user:password@host:port/database",
        ) from error
    if parsed.get_backend_name() != "postgresql":
        raise MetadataError(
            f"the metadata store needs PostgreSQL, not {parsed.get_backend_name()}",
            next_step="write postgresql+psycopg2://user:password@host:port/database",
        )
    engine = create_engine(parsed.set(drivername="postgresql+psycopg2"), connect_args=dict(_CONNECTION))
    event.listen(engine, "checkin", _note_rest)
    event.listen(engine, "checkout", _refuse_stale)
    _engines.add(engine)
    return engine


@contextmanager
def at_once(engine: Engine) -> Iterator[Connection]:
    """A connection on which every statement is a transaction of its own: it is the one message that is waited for.

    SQLAlchemy's AUTOCOMMIT says so to the server before and after, which takes longer than most statements do.
    """
    with engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True  # the driver's own note: nothing is sent
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = False


def one_message(engine: Engine, statement: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    """Run one statement as a transaction of its own; it is the one message that is sent, and waited for.

    The pool's connection without SQLAlchemy's around it, whose bookkeeping takes longer than the message.

    Raises:
        DBAPIError: As from SQLAlchemy.
    """
    pooled = None
    try:
        pooled = engine.raw_connection()
        driver: Any = pooled.dbapi_connection
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        driver.autocommit = False
    except BaseException as error:
        if pooled is not None:
            pooled.invalidate()  # lost, refused or interrupted: the next one begins with another
        if isinstance(error, psycopg2.Error):
            raise DBAPIError.instance(statement, None, error, psycopg2.Error) from error
        raise
    pooled.close()
    return rows


def _note_rest(driver: Any, record: Any) -> None:
    record.info["resting_since"] = time.monotonic()


def _refuse_stale(driver: Any, record: Any, proxy: Any) -> None:
    """The pool opens new connections in place of those whose server has gone, restarted or not.

    One that is used again within a second is not asked whether it lives: that its server closed it shows here, because
    there is something to be read.
    """
    now = time.monotonic()
    if now - record.info.get("resting_since", now) < _RESTED_SECONDS and not _readable(driver):
        return
    try:
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute("SELECT 1")
        driver.autocommit = False
    except Exception as error:
        raise DisconnectionError from error


def _readable(driver: Any) -> bool:
    socket = select.poll()
    socket.register(driver.fileno(), select.POLLIN)
    return bool(socket.poll(0))


@contextmanager
def reporting(url: str) -> Iterator[None]:
    """Turn lost connections into ``MetadataUnavailable`` and refusals into ``MetadataError``; never show a password."""
    try:
        yield
    except PoolTimeout as error:
        raise MetadataError(
            "too many threads of this process use the metadata store at once", next_step="run fewer at once"
        ) from error
    except DBAPIError as error:
        raise _in_words(error, url) from error


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's code of an error; empty where the server never got to say one."""
    return getattr(error.orig, "pgcode", None) or ""


def _in_words(error: DBAPIError, url: str) -> MetadataError:
    code = sqlstate(error)
    data = _data_of(url)
    where = make_url(url).render_as_string(hide_password=True) + (f", its data in {data}" if data else "")
    if code.startswith(_LOST) or (not code and isinstance(error, OperationalError | InterfaceError)):
        if data and database_is_full(data):
            return MetadataUnavailable(
                f"the metadata database does not answer, and its disk is full: {_first_line(error)}",
                where=where,
                next_step="free some space there: the server starts again by itself; then run again: what was "
                "complete is reused",
            )
        return MetadataUnavailable(
            f"the metadata database does not answer: {_first_line(error)}",
            where=where,
            next_step="check it with mlcore status (mlcore up starts the embedded one), then run again: "
            "what was complete is reused",
        )
    kind = MetadataUnavailable if code == "53300" else MetadataError
    return kind(f"the metadata database refused: {_first_line(error)}", where=where, next_step=_REMEDIES.get(code, ""))


def _data_of(url: str) -> Path | None:
    """The data folder of a server whose sockets lie beside a link to it, as those of the embedded one do."""
    host = make_url(url).query.get("host")
    with suppress(OSError):
        if isinstance(host, str) and (link := Path(host) / DATA_LINK).is_symlink():
            return link.readlink()
    return None


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0][:300]
