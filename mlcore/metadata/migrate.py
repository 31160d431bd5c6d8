"""Bring a database to the newest version of the tables; safe with several at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from mlcore.errors import MetadataError
from mlcore.metadata.engine import connect_engine, reporting
from mlcore.metadata.locks import lock_key

VERSION_TABLE = "mlcore_version"


def migrate(url: str) -> None:
    """Create or upgrade the tables; nothing happens when they are up to date.

    Raises:
        MetadataUnavailable: The database cannot be reached.
        MetadataError: The tables are those of a newer release, or may not be changed.
    """
    engine = connect_engine(url)
    try:
        with reporting(url), engine.begin() as connection:
            _upgrade(connection)
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    if current_version(connection) == head_version():
        return
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("mlcore migrations")})
    _refuse_unknown(current_version(connection))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check_version(connection: Connection) -> None:
    """Raises ``MetadataError`` when the tables are not those of this release."""
    found = current_version(connection)
    if found == head_version():
        return
    _refuse_unknown(found)
    raise MetadataError(
        f"the metadata tables are of version {found or 'none'}, this release needs {head_version()}",
        next_step="run: mlcore db migrate",
    )


def current_version(connection: Connection) -> str | None:
    if not connection.scalar(text("SELECT to_regclass(:name)"), {"name": VERSION_TABLE}):
        return None
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def head_version() -> str | None:
    return _scripts().get_current_head()


def _refuse_unknown(version: str | None) -> None:
    if version is not None and version not in {script.revision for script in _scripts().walk_revisions()}:
        raise MetadataError(
            f"the metadata tables are of version {version}, which this release does not know: a newer one made them",
            next_step="use the newer release, or another database",
        )


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
