"""Bring a database to the newest version of the tables; safe with several at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from mlcore.errors import MetadataError
from mlcore.metadata.engine import connect_engine, reporting
from mlcore.metadata.locks import lock_key

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "mlcore_version"
_FOLDER = Path(__file__).parent / "migrations"


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
    from alembic import command  # a third of a second, which only a database that is out of date costs

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
    found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - our own constant
    return None if found is None else str(found)


def head_version() -> str:
    """The newest revision there is a file of."""
    return max(_revisions())


def _refuse_unknown(version: str | None) -> None:
    if version is not None and version not in _revisions():
        raise MetadataError(
            f"the metadata tables are of version {version}, which this release does not know: a newer one made them",
            next_step="use the newer release, or another database",
        )


@cache
def _revisions() -> frozenset[str]:
    """The revisions by their files' names: ``v0001_first.py`` is 0001, and comes after none."""
    return frozenset(path.name[1:5] for path in (_FOLDER / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
