"""Locks that the server frees when their holder dies, whatever it dies of.

They belong to a session of the database: a pooler that hands one session to several clients (PgBouncer in transaction
mode) cannot keep them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlcore.core.types import NewExecution
from mlcore.metadata.engine import at_once, sqlstate

_LOCK_NOT_AVAILABLE = "55P03"
# In one order for everybody, so that nobody waits in a ring. Waiting ends every second: only between statements can a
# signal (Ctrl-C, Airflow's SIGTERM) be heard. Locks that a statement got before it timed out are kept, and counted.
_TAKE = text("SELECT count(pg_advisory_lock(key)) FROM (SELECT unnest(CAST(:keys AS bigint[])) AS key ORDER BY 1) k")
_PATIENCE = text("SET lock_timeout = '1s'")
_FREE = text("SELECT pg_advisory_unlock_all(); RESET lock_timeout")
_HELD = text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
TELL_AFTER_SECONDS = 2.0
HELD = "lock"
"""In an execution's origin: the lock that its process holds, where there is no fingerprint to lock."""


def with_lock(new: NewExecution) -> tuple[NewExecution, str]:
    """An execution to be recorded, and the name to lock before it is and until it ended.

    By that it is told from one whose process died, however long it works. Equal executions have the lock of their
    fingerprint, and wait for one another; one without a fingerprint has a name of its own, which nobody waits for.
    """
    if new.fingerprint is not None:
        return new, new.fingerprint
    name = f"execution {secrets.token_hex(16)}"
    return replace(new, origin={**new.origin, HELD: name}), name


def lock_key(name: str) -> int:
    """The 64-bit number PostgreSQL locks for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def advisory_locks(
    engine: Engine,
    names: Sequence[str],
    on_wait: Callable[[], None] | None = None,
    *,
    tell_after_seconds: float = TELL_AFTER_SECONDS,
) -> Iterator[None]:
    """Hold one session-level advisory lock a name, on a connection of its own.

    Args:
        engine: Where to connect.
        names: What to lock; nothing happens for none. Each lock takes a place in the server's lock table
            (``max_locks_per_transaction`` x ``max_connections``, 6,400 by default): lock thousands in portions.
        on_wait: Called once, when another holder has been waited for ``tell_after_seconds``.
        tell_after_seconds: See ``on_wait``.
    """
    if not names:
        yield
        return
    owner = os.getpid()
    with at_once(engine) as connection:
        try:
            _take(connection, sorted({lock_key(name) for name in names}), on_wait, tell_after_seconds)
            yield
        finally:
            if os.getpid() == owner:  # a forked child that unwinds must not end its parent's session
                _free(connection)


def _take(connection: Connection, keys: list[int], on_wait: Callable[[], None] | None, tell_after: float) -> None:
    started = time.monotonic()
    connection.execute(_PATIENCE)
    while True:
        try:
            connection.execute(_TAKE, {"keys": keys})
        except DBAPIError as error:
            if sqlstate(error) != _LOCK_NOT_AVAILABLE:
                raise
        else:
            return
        if on_wait is not None and time.monotonic() - started >= tell_after:
            on_wait()
            on_wait = None


def _free(connection: Connection) -> None:
    try:
        connection.execute(_FREE)
    except SQLAlchemyError:
        connection.invalidate()  # whatever is wrong with it, an interrupted statement perhaps: its end frees the locks


def held(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Those of ``names`` that anybody holds now. Looks without touching: nobody is kept waiting by it."""
    keys = set(connection.scalars(_HELD))
    return frozenset(name for name in names if lock_key(name) in keys)
