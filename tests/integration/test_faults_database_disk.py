"""The disk of the database is full: its tables', and its log's, without which the server itself ends."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url
from support.databases import execute
from support.faults import full, own_disk, serving
from support.project import LATER, Project

from mlcore.core.types import ArtifactState, ArtifactType
from mlcore.errors import MetadataUnavailable, PlatformError
from mlcore.metadata.migrate import migrate
from mlcore.metadata.store import MetadataStore
from mlcore.platform.databases import connect
from mlcore.platform.keeper import KeeperState
from mlcore.platform.layout import Layout
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

from .conftest import Kept


@contextmanager
def tables_on_own_disk(server: str, project: Project) -> Iterator[Path]:
    """A small file system of its own for the tables of a project's database."""
    database = make_url(str(project.settings.database_url)).database
    owner = data_of(server).stat()
    with tempfile.TemporaryDirectory(prefix="tables-") as folder, own_disk(Path(folder) / "disk", "48m") as disk:
        Path(folder).chmod(0o755)
        os.chown(disk, owner.st_uid, owner.st_gid)
        execute(server, f"CREATE TABLESPACE small LOCATION '{disk}'")
        execute(server, f"ALTER DATABASE {database} SET TABLESPACE small")
        try:
            yield disk
        finally:
            execute(server, f"ALTER DATABASE {database} SET TABLESPACE pg_default")
            execute(server, "DROP TABLESPACE small")


def data_of(server: str) -> Path:
    """The data folder of an embedded server."""
    return Path(str(make_url(server).query["host"])).parent.parent / "postgres" / "data"


def test_tables_that_cannot_grow_stop_a_run_in_words_and_the_retry_is_clean(
    ran: Project, second_run: Kept, postgres_url: str
) -> None:
    """The champion serves on, the error names the disk, nothing half-made is visible; the retry's model is equal."""
    with tables_on_own_disk(postgres_url, ran) as disk:
        with serving(ran) as served:
            with full(disk):
                failed = ran.cli("run", "tiny", "--at", LATER)
                served.check()
                assert failed.returncode == 1, failed.stdout
                assert "No space left on device" in failed.stderr
                assert "the disk of the database is full" in failed.stderr
                assert "Traceback" not in failed.stderr
            with ran.session() as session:
                assert session.metadata.running() == frozenset()
                assert session.registry.find("tiny", "champion").version == 1
                for kind in ArtifactType:
                    assert not session.metadata.find_artifacts(type=kind, state=ArtifactState.PENDING)
                    if kind is not ArtifactType.SOURCE_FILE:
                        for found in session.metadata.find_artifacts(type=kind):
                            session.artifacts.verify(found, deep=True)
            done = ran.cli("run", "tiny", "--at", LATER)
            assert done.returncode == 0, done.stderr
            served.until_version(2)
        with ran.session() as session:
            again = session.registry.find("tiny", 2).digest
    with second_run.restored(postgres_url) as project, project.session() as session:
        assert session.registry.find("tiny", 2).digest == again


def until(done: bool, server: EmbeddedPostgres) -> None:
    for _ in range(300):
        if server.is_running() is done:
            return
        time.sleep(0.1)
    raise AssertionError(f"the server is {'not ' if done else ''}running after half a minute")


def test_a_server_without_room_for_its_log_starts_again_by_itself_when_there_is_some(tmp_path: Path) -> None:
    """It ends; whoever asks is told that its disk is full, and where; freed, it is there again with all it had."""
    layout = Layout.of(tmp_path / "home")
    with own_disk(layout.postgres_data.parent, "256m") as disk:
        server = EmbeddedPostgres(layout.home)
        server.start()
        try:
            url = server.url(MLCORE_DATABASE)
            migrate(url)
            with full(disk):
                fill_log(url)
                until(False, server)
                with pytest.raises(MetadataUnavailable, match="its disk is full") as told:
                    MetadataStore.open(url)
                assert str(layout.postgres_data) in told.value.where
                assert "free some space" in told.value.next_step
                with pytest.raises(PlatformError, match="its disk is full") as refused:
                    EmbeddedPostgres(layout.home).start()
                assert str(layout.postgres_data) in refused.value.where
                assert "disk of the database is full" in KeeperState.read(layout).error
            until(True, server)
            MetadataStore.open(url).close()
            assert not KeeperState.read(layout).error
        finally:
            server.stop()


def fill_log(url: str) -> None:
    """Write until the server, which finds no room for the next file of its log, ends all connections."""
    for _ in range(20):
        with suppress(psycopg2.Error), closing(connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT txid_current(), pg_switch_wal()")
            continue
        return
    raise AssertionError("the log has grown by 20 files on a disk that is full")
