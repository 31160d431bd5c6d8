"""The clock of a machine is set back an hour, under a server that goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import pytest
from support.faults import Serving, free_port, until_ready
from support.project import AS_OF, LATER, Project, day_file, make_project

from mlcore.core.types import ArtifactType
from mlcore.metadata.migrate import migrate
from mlcore.platform import keeper
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime, which sets clocks, is not installed here"),
]


_SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""libfaketime 0.9 takes the monotonic clock, by which Python sleeps, for one that it fakes, and refuses to sleep."""


@dataclass(frozen=True)
class Machine:
    """A project whose processes, PostgreSQL's among them, read one clock."""

    project: Project
    clock: Path

    def set_back(self, hours: int) -> None:
        self.clock.write_text(f"-{hours}h\n", encoding="ascii")

    def cli(self, *arguments: str) -> str:
        """What a command says that ends well."""
        done = subprocess.run(
            _command(*arguments),
            env=self.project.environ,
            cwd=self.project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[Serving]:
        port = free_port()
        command = _command("serve", "tiny", "--port", str(port))
        with subprocess.Popen(command, env=self.project.environ, cwd=self.project.folder) as server:
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                    until_ready(client)
                    yield Serving(client, Serving(client).answers())
            finally:
                server.terminate()


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlcore.cli.main", *arguments]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """With a PostgreSQL of its own; the processes of the tests keep their time."""
    clock = tmp_path / "clock"
    clock.write_text("+0h\n", encoding="ascii")
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):  # PostgreSQL, another user, reads it too
        with suppress(PermissionError):
            above.chmod(0o755)
    (tmp_path / "sitecustomize.py").write_text(_SLEEP, encoding="utf-8")
    faked = {
        "PYTHONPATH": str(tmp_path),
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    monkeypatch.setattr(keeper, "_PASSED_ON", (*keeper._PASSED_ON, *faked))
    for name, value in faked.items():
        monkeypatch.setenv(name, value)
    with tempfile.TemporaryDirectory(prefix="clock-") as home:  # a short path: a socket lies below
        server = EmbeddedPostgres(Path(home))
        server.start()
        try:
            url = server.url(MLCORE_DATABASE)
            migrate(url)
            yield Machine(make_project(tmp_path / "project", url), clock)
        finally:
            server.stop()


def test_a_clock_that_is_set_back_misleads_nobody(machine: Machine) -> None:
    """The champion serves on; corrections, pushes and rollbacks count in the order in which they came."""
    machine.cli("run", "tiny", "--at", AS_OF)
    with machine.serving() as served:
        machine.set_back(1)
        served.check()
        # Corrected: the clock says, an hour before it was delivered.
        machine.project.data(8).write_text(day_file(date(2024, 1, 8), rows=150), encoding="utf-8")
        machine.cli("run", "tiny", "--at", LATER)
        served.until_version(2)
        machine.cli("models", "rollback", "tiny", "--reason", "to see")
        served.until_version(1)
        served.check()
        moves = json.loads(machine.cli("models", "history", "tiny", "--json"))
        with machine.project.session() as stores:
            rows = [one.properties["rows"] for one in stores.metadata.find_artifacts(type=ArtifactType.EXAMPLES)]
    assert [(move["kind"], move["from"], move["to"]) for move in moves] == [
        ("PUSH", None, 1), ("PUSH", 1, 2), ("ROLLBACK", 2, 1),
    ]  # fmt: skip
    assert 150 in rows, "the correction was not read"
    assert moves[1]["at"] < moves[0]["at"], "the clock was not set back"
