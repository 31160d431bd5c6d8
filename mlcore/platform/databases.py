"""Databases on any PostgreSQL server: addresses, whether it answers, databases that exist."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from mlcore.errors import ConfigError, MetadataUnavailable, PlatformError, quoted

_LOG = logging.getLogger(__name__)

_CREATION_LOCK = 7_302_461_155  # an arbitrary number, the same in every process


def with_driver(url: str) -> str:
    """The address with its driver named: SQLAlchemy reads a bare ``postgresql://`` as another driver's.

    >>> with_driver("postgres://me@host/db")
    'postgresql+psycopg2://me@host/db'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ConfigError(
            f"a database address must start with postgresql://, this one starts with {quoted(scheme, 30)}",
            where="--database-url or MLCORE_DATABASE_URL",
            next_step="postgresql://user:password@host:5432/mlcore",
        )
    return f"postgresql+psycopg2://{rest}"


def airflow_url(mlcore_url: str) -> str:
    """Airflow's database on the same server: ``airflow`` beside ``mlcore``, ``x_airflow`` beside ``x``.

    >>> airflow_url("postgresql+psycopg2://me@host/mlcore?sslmode=require")
    'postgresql+psycopg2://me@host/airflow?sslmode=require'
    """
    head, question, query = mlcore_url.partition("?")
    server, _, database = head.rpartition("/")
    return f"{server}/{'airflow' if database == 'mlcore' else f'{database}_airflow'}{question}{query}"


def database_of(url: str) -> str:
    """The database's name in an address."""
    return url.partition("?")[0].rpartition("/")[2]


def without_password(url: str) -> str:
    """The address as it may be shown."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def connect(url: str, database: str | None = None, *, timeout_seconds: int = 5) -> Any:
    """A psycopg2 connection in autocommit mode.

    Raises:
        psycopg2.Error: The server refuses or does not answer.
    """
    import psycopg2

    plain = with_driver(url).replace("+psycopg2", "", 1)
    extra: dict[str, Any] = {} if database is None else {"dbname": database}
    connection = psycopg2.connect(plain, connect_timeout=timeout_seconds, application_name="mlcore", **extra)
    connection.autocommit = True
    return connection


def reachable(url: str) -> bool:
    """Whether the database answers."""
    import psycopg2

    try:
        connect(url, timeout_seconds=2).close()
    except psycopg2.Error:
        return False
    return True


def create_databases(url: str, names: Iterable[str]) -> None:
    """Creates the databases that are not there, on the server of ``url`` and through its maintenance database.

    Raises:
        MetadataUnavailable: The server cannot be reached.
        PlatformError: A database is absent and this user may not create it.
    """
    import psycopg2
    from psycopg2 import sql

    try:
        connection = connect(url, "postgres")
    except psycopg2.OperationalError as error:
        raise MetadataUnavailable(
            f"PostgreSQL cannot be reached: {str(error).strip()[:300]}",
            where=without_password(url),
            next_step="check that the server runs and that address, user and password are right",
        ) from error
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_CREATION_LOCK,))
            for name in names:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                    _LOG.info("created database %s", name)
    except psycopg2.Error as error:
        raise PlatformError(
            f"a database cannot be created: {str(error).strip()[:300]}",
            where=without_password(url),
            next_step=f"have the server's owner run: CREATE DATABASE {name};",
        ) from error
    finally:
        connection.close()
