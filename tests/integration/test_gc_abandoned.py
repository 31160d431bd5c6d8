"""``mlcore gc`` after processes were killed that worked in folders for a time."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from support.project import Project

from mlcore.artifacts.store import ArtifactStore
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
