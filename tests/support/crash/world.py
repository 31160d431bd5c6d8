"""An installation of its own: a PostgreSQL that may be killed, a project, and command lines in processes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import psutil
from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool
from support.databases import execute
from support.forks import Forked
from support.looks import ROLLOUT
from support.project import PIPELINE, Project, make_project

from mlcore.metadata.migrate import migrate
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

PIPELINES = ("tiny", "asked", "contested")
"""The second asks a person before a push, the third tries a new model beside the champion."""
ROLES = ("first", "second", "third", "serving")
MARKER = "MLCORE_CRASH_WORLD"
_RETENTION = "retention: {max_age: PT30S, keep_runs: 3, keep_champions: 3}"


@dataclass(frozen=True)
class World:
    """One installation.

    Attributes:
        root: Everything it writes lies below.
        token: In the environment of every process of it.
    """

    root: Path
    server: EmbeddedPostgres
    project: Project
    token: str
    _starting: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def url(self) -> str:
        return self.server.url(MLCORE_DATABASE)

    @property
    def store(self) -> Path:
        return Path(self.project.settings.artifacts)

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def start(self, *arguments: str, role: str | None = None, before: str = "") -> Forked:
        """The command line in a process of its own.

        Args:
            arguments: After ``mlcore``.
            role: Of the database, by which its connections are known; where none is named it uses the embedded server
                as a user without an address does: it starts it when it does not run.
            before: Python code to run first.
        """
        environ = {**self.project.environ, "TMPDIR": str(self.temporary), MARKER: self.token}
        if role is None:
            del environ["MLCORE_DATABASE_URL"]
        else:
            url = make_url(self.url).set(username=role)
            environ["MLCORE_DATABASE_URL"] = url.render_as_string(hide_password=False)
        with self._starting:  # one pipe leads to the process that forks
            return Forked(*arguments, environ=environ, folder=self.project.folder, before=before)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection of the test's own, on which every statement is a transaction."""
        engine = create_engine(self.url, poolclass=NullPool, connect_args={"application_name": "crash test"})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def wait_for_server(self, most_seconds: float = 60.0) -> bool:
        """Until it answers, started anew where it has to be; tells whether it does."""
        deadline = time.monotonic() + most_seconds
        while not self.server.is_running():
            if time.monotonic() > deadline:
                return False
            self.server.ensure_kept()
            time.sleep(0.1)
        return True

    def number(self, query: str, **values: object) -> int:
        """What a query counts."""
        with self.connected() as connection:
            return int(connection.execute(text(query), values).scalar_one() or 0)

    def left_running(self) -> list[str]:
        """The processes of this world that are there now, but for the server's."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARKER) == self.token and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
            except (psutil.Error, OSError):
                continue
        return found


@contextmanager
def world(root: Path, *, days: int, wait_for_disk: bool = True, expiring: bool = True) -> Iterator[World]:
    """An installation with three pipelines and so many days of data; its server is stopped at the end.

    A commit is answered when the kernel has it: killing processes, which is what is done here, loses nothing more.

    Args:
        root: A short path: sockets lie below.
        days: Of data.
        wait_for_disk: Whether the server also waits for the disk.
        expiring: Whether outputs expire soon.
    """
    server = EmbeddedPostgres(root / "home")
    (root / "tmp").mkdir(parents=True)
    server.start()
    try:
        if not wait_for_disk:
            execute(server.url("postgres"), "ALTER SYSTEM SET fsync = off")
            execute(server.url("postgres"), "SELECT pg_reload_conf()")
        for role in ROLES:
            execute(server.url("postgres"), f"CREATE ROLE {role} SUPERUSER LOGIN")
        migrate(server.url(MLCORE_DATABASE))
        project = make_project(root / "project", server.url(MLCORE_DATABASE), days)
        _write_pipelines(project, expiring=expiring)
        yield World(root, server, project, secrets.token_hex(8))
    finally:
        server.stop()


def _write_pipelines(project: Project, *, expiring: bool) -> None:
    text = dedent(PIPELINE) + (f"{_RETENTION}\n" if expiring else "")
    asked = text.replace("name: tiny", "name: asked").replace("push: {", "push: {approval: true, ")
    contested = text.replace("name: tiny", "name: contested").replace("push: {infra:", ROLLOUT % "")
    for name, content in zip(PIPELINES, (text, asked, contested), strict=True):
        (project.settings.pipelines / f"{name}.yaml").write_text(content, encoding="utf-8")
