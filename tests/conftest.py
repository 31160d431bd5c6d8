"""Fixtures that many tests share: a real PostgreSQL, and a fresh migrated database in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

from mlcore.metadata.migrate import migrate
from mlcore.platform.postgres import EmbeddedPostgres

# Examples are slow the first time libraries load; how long one takes is no property of the code.
settings.register_profile("mlcore", deadline=None)
settings.load_profile("mlcore")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the maintenance database of an embedded PostgreSQL that lives as long as the tests."""
    home = tmp_path_factory.mktemp("home")
    server = EmbeddedPostgres(Path(home))
    server.start()
    try:
        yield server.url("postgres")
    finally:
        server.stop()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """A migrated database that fresh ones are cloned from."""
    _execute(postgres_url, "CREATE DATABASE mlcore_template")
    migrate(_database(postgres_url, "mlcore_template"))
    return "mlcore_template"


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database."""
    name = f"test_{secrets.token_hex(6)}"
    _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _database(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


def _database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
