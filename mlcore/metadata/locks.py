"""Locks that the server frees when their holder dies, whatever it dies of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text


def lock_key(name: str) -> int:
    """The 64-bit number PostgreSQL locks for a name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def advisory_locks(engine: Engine, names: Sequence[str], on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold one session-level advisory lock a name, taken in one order by everybody so that nobody waits in a ring.

    Args:
        engine: Where to connect; the locks live on a connection of their own.
        names: What to lock; nothing happens for none.
        on_wait: Called once when another holder is waited for.
    """
    if not names:
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for key in sorted({lock_key(name) for name in names}):
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
                if on_wait is not None:
                    on_wait()
                    on_wait = None
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        try:
            yield
        finally:
            connection.invalidate()  # closing the connection frees the locks, also when it is already broken


def is_locked(connection: Connection, name: str) -> bool:
    """Whether anybody holds the lock of a name."""
    key = lock_key(name)
    if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        return False
    return True
