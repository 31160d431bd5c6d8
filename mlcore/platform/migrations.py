"""What brings both databases to the newest schema.

Airflow's costs seconds even when there is nothing to do. So what was migrated is
noted in that database, with the versions that did it, and the next start compares.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable

from mlcore.platform.databases import airflow_url, connect
from mlcore.platform.forking import run_airflow


def needed(mlcore_url: str) -> dict[str, Callable[[], None]]:
    """What has to be done, by the name of its log; each to be run in a process of its own, at the same time."""

    def migrate_mlcore() -> None:
        from mlcore.metadata.store import migrate

        migrate(mlcore_url)

    def migrate_airflow() -> None:
        run_airflow("db", "migrate")

    work: dict[str, Callable[[], None]] = {"migrate-mlcore": migrate_mlcore}
    if not is_current(airflow_url(mlcore_url)):
        work["migrate-airflow"] = migrate_airflow
    return work


def is_current(url: str) -> bool:
    """Whether Airflow's database was migrated by exactly the Airflow that is installed, and has not changed since."""
    import psycopg2

    try:
        connection = connect(url)
    except psycopg2.Error:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT versions, revision = (SELECT version_num FROM alembic_version) FROM mlcore_migrated")
            return bool(cursor.fetchone() == (_versions(), True))
    except psycopg2.Error:
        return False
    finally:
        connection.close()


def note_current(url: str) -> None:
    """Notes that Airflow's database was migrated by the Airflow that is installed."""
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS mlcore_migrated (versions text, revision text)")
            cursor.execute("DELETE FROM mlcore_migrated")
            cursor.execute("INSERT INTO mlcore_migrated SELECT %s, version_num FROM alembic_version", (_versions(),))
    finally:
        connection.close()


def _versions() -> str:
    """A digest of Airflow and its providers: any of them may bring migrations."""
    found = sorted(
        f"{item.name}=={item.version}"
        for item in importlib.metadata.distributions()
        if item.name and item.name.startswith("apache-airflow")
    )
    return hashlib.sha256("\n".join(found).encode()).hexdigest()
