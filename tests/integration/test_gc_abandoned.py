"""``mlcore gc`` after processes were killed that worked in folders for a time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from support.project import Project

from mlcore.artifacts.store import ArtifactStore
from mlcore.core.types import ExecutionState
from mlcore.runtime.gc import collect

BUSY = """
import mlcore.deployment.infra
def busy(*args):
    import time
    time.sleep(60)
mlcore.deployment.infra._run = busy
"""


def until(found: list[Path], folder: Path) -> None:
    """Wait for a folder to be made in another."""
    deadline = time.monotonic() + 60
    while not found and time.monotonic() < deadline:
        found += folder.glob(".mlcore-work-*")
        time.sleep(0.02)
    assert found


def test_folders_of_killed_work_are_collected(ran: Project, tmp_path: Path) -> None:
    """A model that is tried while its run is killed leaves a folder: nobody's while it lives, garbage afterwards."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    before = f"import os, tempfile; tempfile.tempdir = {str(temporary)!r}\n{BUSY}"
    run = ran.start("run", "tiny", "--at", "2024-01-12T06:00Z", before=before)
    folders: list[Path] = []
    until(folders, temporary)
    with ran.session() as session:
        artifacts = ArtifactStore(ran.settings.artifacts)

        def garbage(*, dry_run: bool) -> list[str]:
            working = (temporary,)
            found = collect(artifacts, session.metadata, dry_run=dry_run, min_age_seconds=0, working=working)
            return [one.uri for one in found if one.reason == "whoever worked here was killed"]

        assert garbage(dry_run=False) == []
        os.kill(run.pid, signal.SIGKILL)
        assert run.wait().returncode == -signal.SIGKILL
        assert garbage(dry_run=True) == garbage(dry_run=False) == [str(folders[0])]
    assert list(temporary.iterdir()) == []


WAITING = """
import time
from pathlib import Path
from mlcore.metadata.store import MetadataStore
publish = MetadataStore.publish
def waiting(self, *given, **more):
    Path({began!r}).touch()
    while not Path({go!r}).exists():
        time.sleep(0.02)
    return publish(self, *given, **more)
MetadataStore.publish = waiting
"""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_work_without_a_fingerprint_is_alive_as_long_as_its_process(ran: Project, project: Project) -> None:
    """Of a prediction of a file and of an import, however old: what lives is left alone, what was killed is closed."""
    archive = ran.folder / "version.zip"
    exported = ran.cli("models", "export", "tiny", "1", str(archive))
    assert exported.returncode == 0, exported.stderr
    predict = ("predict", "tiny", str(ran.data(9)), "--out", str(ran.folder / "out.parquet"))
    for where, arguments in ((ran, predict), (project, ("models", "import", str(archive)))):
        for ends in (False, True):
            began, go = (where.folder / f"{name} {ends}" for name in ("began", "go"))
            process = where.start(*arguments, before=WAITING.format(began=str(began), go=str(go)))
            wait_for(began.exists)
            with where.session() as session:
                (running,) = session.metadata.running()
                collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)
                assert session.metadata.running() == {running}
                if ends:
                    go.touch()
                else:
                    os.kill(process.pid, signal.SIGKILL)
                done = process.wait()
                assert done.returncode == (0 if ends else -signal.SIGKILL), done.stderr
                collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)
                state = session.metadata.execution(running).state
                assert state is (ExecutionState.COMPLETE if ends else ExecutionState.CANCELED)
