from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, make_url, text
from support.stores import push

import mlcore.metadata.delivery_tables
import mlcore.metadata.registry_tables  # noqa: F401 - both register their tables
from mlcore.errors import MetadataError
from mlcore.metadata.engine import connect_engine
from mlcore.metadata.migrate import VERSION_TABLE, _config, migrate
from mlcore.metadata.store import MetadataStore
from mlcore.metadata.tables import metadata
from mlcore.registry.records import MoveKind
from mlcore.registry.store import Registry


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database without tables."""
    name = f"empty_{secrets.token_hex(6)}"
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def upgrade(url: str, version: str) -> None:
    engine = connect_engine(url)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, version)
    engine.dispose()


def test_the_migrations_make_the_declared_tables(database_url: str) -> None:
    """What the code believes the tables to be is what the versions, run one after the other, made."""
    engine = connect_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_the_first_release_upgrades_with_what_is_in_it(empty_url: str) -> None:
    """Models and history recorded by the first version are there after the upgrade, and go on."""
    upgrade(empty_url, "0001")
    engine = connect_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO artifact (type, uri, digest, pipeline, state) VALUES ('Model', 'u', 'd', 'p', 'LIVE');
            INSERT INTO model_version SELECT 'p', 1, id, id, 'd', '2024-01-01Z', '2024-01-02Z', '2024-01-03Z', 'r'
                FROM artifact;
            INSERT INTO alias VALUES ('p', 'champion', 1);
            INSERT INTO alias_history (pipeline, alias, to_version, actor, reason)
                VALUES ('p', 'champion', 1, 'r', 'blessed');
            """)
        )
    engine.dispose()
    with pytest.raises(MetadataError, match="of version 0001") as error:
        MetadataStore.open(empty_url)
    assert error.value.next_step == "run: mlcore db migrate"
    migrate(empty_url)
    store = MetadataStore.open(empty_url)
    registry = Registry(store)
    assert [(move.kind, move.to_version) for move in registry.history("p")] == [(MoveKind.PUSH, 1)]
    assert push(store, "next", 7).version == 2
    champion = registry.champion("p")
    store.close()
    assert champion is not None
    assert champion.version == 2


def test_tables_that_were_never_made_are_named_with_the_command(empty_url: str) -> None:
    """An empty database is told from one of another version."""
    with pytest.raises(MetadataError, match="of version none") as error:
        MetadataStore.open(empty_url)
    assert error.value.next_step == "run: mlcore db migrate"


def test_tables_of_a_newer_release_are_left_alone(database_url: str) -> None:
    """An older release neither reads nor migrates what a newer one made."""
    engine = connect_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    for act in (MetadataStore.open, migrate):
        with pytest.raises(MetadataError, match="version 9999, which this release does not know") as error:
            act(database_url)
        assert "newer release" in error.value.next_step


def test_a_user_who_may_not_make_tables_is_told_so(empty_url: str) -> None:
    """A missing right is no outage: the message says what was refused and who has it."""
    engine = create_engine(empty_url, isolation_level="AUTOCOMMIT")
    role = f"reader_{secrets.token_hex(4)}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN"))
    with pytest.raises(MetadataError, match="permission denied") as error:
        migrate(make_url(empty_url).set(username=role).render_as_string(hide_password=False))
    assert "right" in error.value.next_step
    with engine.connect() as connection:
        connection.execute(text(f"DROP ROLE {role}"))
    engine.dispose()


def test_a_database_that_is_not_there_is_named(postgres_url: str) -> None:
    """A typing error in the URL shows as such."""
    url = make_url(postgres_url).set(database="no_such_database")
    with pytest.raises(MetadataError, match='database "no_such_database" does not exist') as error:
        migrate(url.render_as_string(hide_password=False))
    assert "no_such_database" in error.value.where
