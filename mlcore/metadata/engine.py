"""Connections to the metadata database, and its outages in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from mlcore.errors import MetadataError, MetadataUnavailable

_CONNECT_SECONDS = 10


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
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg2"),
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "mlcore"},
    )
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


@contextmanager
def reporting(url: str) -> Iterator[None]:
    """Turn lost connections into ``MetadataUnavailable`` and refusals into ``MetadataError``; never show a password."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise MetadataUnavailable(
            f"the metadata database does not answer: {_first_line(error)}",
            where=make_url(url).render_as_string(hide_password=True),
            next_step="check it with mlcore status (mlcore up starts the embedded one), then run again: "
            "what was complete is reused",
        ) from error
    except DBAPIError as error:
        raise MetadataError(f"the metadata database refused: {_first_line(error)}") from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0][:300]
