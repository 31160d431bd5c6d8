from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from mlcore.config.settings import Settings
from mlcore.errors import PlatformError
from mlcore.platform.databases import connect
from mlcore.platform.keeper import KeeperState
from mlcore.platform.layout import Layout
from mlcore.platform.locks import FileLock
from mlcore.platform.postgres import EmbeddedPostgres, ensure_database, wait_stopped
from mlcore.platform.processes import ProcessId, inside, keepers_of

USER = """
import sys, time
from pathlib import Path
from mlcore.config.settings import Settings
from mlcore.platform.postgres import ensure_database
home = Path(sys.argv[1])
with ensure_database(Settings(project=home, home=home, artifacts="a")) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "home"
    yield folder
    EmbeddedPostgres(folder).stop_for_all()
    Layout.of(folder).remove_transient()


def settings(home: Path, database_url: str | None = None) -> Settings:
    return Settings(project=home, home=home, artifacts="a", database_url=database_url)


@contextmanager
def user(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", USER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def nothing_left(home: Path) -> bool:
    layout = Layout.of(home)
    return not keepers_of(layout.home) and not inside(layout.postgres_data) and not layout.run.exists()


def postmaster(home: Path) -> ProcessId:
    found = KeeperState.read(Layout.of(home)).postmaster
    assert found is not None
    return found


def scalar(url: str, query: str) -> object:
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def test_server_keeps_data_and_leaves_nothing_running(home: Path) -> None:
    """What was written is there after a stop and a start; between them no process, lock or socket is left."""
    with ensure_database(settings(home)) as url:
        scalar(url, "CREATE TABLE kept AS SELECT 7 AS value; SELECT 1")
        assert url == EmbeddedPostgres(home).url("mlcore")
    assert nothing_left(home)
    with ensure_database(settings(home)) as url:
        assert scalar(url, "SELECT value FROM kept") == 7
        assert scalar(EmbeddedPostgres(home).url("airflow"), "SELECT current_database()") == "airflow"


def test_server_is_durable_and_listens_on_a_private_socket_only(home: Path) -> None:
    """Fsync is on, there is no TCP port, and only its user may open the socket."""
    with ensure_database(settings(home)) as url:
        assert scalar(url, "SHOW fsync") == "on"
        assert not psutil.Process(postmaster(home).pid).net_connections(kind="inet")
        sockets = Layout.of(home).sockets
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


def test_url_serves_asyncpg_when_the_driver_is_exchanged(home: Path) -> None:
    """Airflow derives its asynchronous address by exchanging the driver's name: it must still connect."""

    async def ask(url: str) -> object:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            found = (await connection.execute(text("SELECT current_user"))).scalar_one()
        await engine.dispose()
        return found

    with ensure_database(settings(home)) as url:
        assert asyncio.run(ask(url.replace("+psycopg2", "+asyncpg"))) == "mlcore"


def test_last_user_stops_the_server(home: Path) -> None:
    """The server outlives the process that started it while another one uses it."""
    with user(home) as first, user(home) as second:
        assert first.stdout is not None
        assert second.stdout is not None
        assert first.stdout.readline() == second.stdout.readline() != ""
        first.communicate("\n")
        assert EmbeddedPostgres(home).is_running()
        second.communicate("\n")
        assert second.returncode == 0
        assert nothing_left(home)


def test_killed_user_counts_no_longer(home: Path) -> None:
    """After kill -9 of its only user the server stops by itself, in order."""
    with user(home) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        assert wait_stopped(home)
    wait_until(lambda: not Layout.of(home).run.exists())
    assert "database system is shut down" in Layout.of(home).log("postgres").read_text()
    assert not (Layout.of(home).postgres_data / "postmaster.pid").exists()


def test_users_that_come_at_once_share_one_server(home: Path) -> None:
    """Several first users start one server, not several."""
    with user(home) as one, user(home) as two, user(home) as three:
        answers = {process.stdout.readline() for process in (one, two, three) if process.stdout}
        assert len(answers) == 1
        assert answers != {""}
        servers = [p for p in inside(Layout.of(home).postgres_data) if _parent(p.pid) in _pids(home)]
        assert servers == [postmaster(home)]
    wait_until(lambda: not inside(Layout.of(home).postgres_data))


def _parent(pid: int) -> int | None:
    """The parent of a process; ``None`` when it ended meanwhile, as a server's short-lived children do."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


def _pids(home: Path) -> set[int]:
    return {process.pid for process in keepers_of(Layout.of(home).home)} - {postmaster(home).pid}


def test_killed_postmaster_is_started_again(home: Path) -> None:
    """After kill -9 of the postmaster its users reach the server again, and its death is on record."""
    with ensure_database(settings(home)) as url:
        scalar(url, "CREATE TABLE kept AS SELECT 7 AS value; SELECT 1")
        postmaster(home).send(signal.SIGKILL)
        wait_until(lambda: _answers(url, "SELECT value FROM kept") == 7)
        state = KeeperState.read(Layout.of(home))
        assert (state.restarts, state.last_exit_code) == (1, -signal.SIGKILL)
    assert nothing_left(home)


def _answers(url: str, query: str) -> object:
    try:
        return scalar(url, query)
    except psycopg2.Error:
        return None


def test_killed_keeper_takes_the_server_with_it_and_the_next_user_starts_it(home: Path) -> None:
    """Nothing runs unwatched: without its keeper the server shuts down, and the next start works."""
    with ensure_database(settings(home)) as url:
        for process in keepers_of(Layout.of(home).home):
            if process != postmaster(home):
                process.send(signal.SIGKILL)
        wait_until(lambda: not inside(Layout.of(home).postgres_data))
        with ensure_database(settings(home)) as again:
            assert scalar(again, "SELECT 1") == 1
            assert again == url
    assert nothing_left(home)


def test_stale_pid_file_that_names_a_living_process_is_no_obstacle(home: Path) -> None:
    """After a crash the pid in PostgreSQL's file may be anybody's: the server starts, and they live."""
    with ensure_database(settings(home)):
        pass
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file = Layout.of(home).postgres_data / "postmaster.pid"
        pid_file.write_text(f"{bystander.pid}\n{pid_file.parent}\n1\n5432\n/tmp\n\n  1 1\nready\n")
        with ensure_database(settings(home)) as url:
            assert scalar(url, "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


def test_half_made_data_folder_is_made_anew(home: Path) -> None:
    """A start that was killed during initdb leaves nothing that is taken for a database."""
    half = Layout.of(home).postgres_data.with_name("data.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with ensure_database(settings(home)) as url:
        assert scalar(url, "SELECT 1") == 1
    assert not half.exists()


@pytest.mark.parametrize("name", ["x" * 150, "white space & more%"])
def test_home_with_a_long_or_unusual_path_works(tmp_path: Path, name: str) -> None:
    """The limit of 107 bytes for a socket's path is not the user's concern, nor is quoting."""
    home = tmp_path / name
    with ensure_database(settings(home)) as url:
        assert scalar(url, "SELECT 1") == 1
    assert nothing_left(home)
    assert not Layout.of(home).transient.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that PostgreSQL's account cannot enter")
def test_home_below_a_folder_that_only_root_may_enter_works(tmp_path: Path) -> None:
    """PostgreSQL, which refuses root, serves a home that its account cannot reach; no folder is opened for it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with ensure_database(settings(closed / "home")) as url:
        assert scalar(url, "SELECT 1") == 1
        assert psutil.Process(postmaster(closed / "home").pid).uids().effective != 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_server_that_cannot_start_says_why(home: Path) -> None:
    """A damaged data folder ends in an error that names the log and quotes the reason, and leaves nothing running."""
    with ensure_database(settings(home)):
        pass
    (Layout.of(home).postgres_data / "global" / "pg_control").unlink()
    with pytest.raises(PlatformError) as caught, ensure_database(settings(home)):
        pass
    assert caught.value.where.endswith("postgres.log")
    assert "pg_control" in Layout.of(home).log("postgres").read_text()
    assert not keepers_of(Layout.of(home).home)


def test_given_address_is_used_as_it_is(tmp_path: Path) -> None:
    """With an address no server is started and the home stays untouched."""
    with ensure_database(settings(tmp_path / "home", "postgresql://u@h/d")) as url:
        assert url == "postgresql+psycopg2://u@h/d"
    assert not (tmp_path / "home").exists()


def test_start_waits_for_a_stop_that_is_under_way(home: Path) -> None:
    """Who comes while the server stops gets it started again instead of an address that dies."""
    with ensure_database(settings(home)):
        pass
    stopping = FileLock(Layout.of(home).users_lock)
    assert stopping.try_acquire()
    with user(home) as process:
        assert process.stdout is not None
        time.sleep(0.5)
        assert not EmbeddedPostgres(home).is_running()
        stopping.release()
        assert process.stdout.readline().startswith("postgresql+psycopg2://")
        process.communicate("\n")
    assert nothing_left(home)
