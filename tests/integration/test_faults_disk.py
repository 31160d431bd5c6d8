"""Full disks and read-only folders: the champion serves on, the error says what and where, and a retry is clean."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.faults import full, own_disk, read_only, serving
from support.project import LATER, Project

from mlcore.core.types import ArtifactState, ArtifactType
from mlcore.runtime.session import Session

from .conftest import Kept

COMPARED = (
    ArtifactType.EXAMPLES, ArtifactType.STATISTICS, ArtifactType.ANALYZER_STATE, ArtifactType.TRANSFORM_GRAPH,
    ArtifactType.MODEL, ArtifactType.EVALUATION,
)  # fmt: skip
"""What has the same digest in every run of one window."""


def digests(session: Session) -> set[tuple[str, str | None]]:
    return {
        (found.type.value, found.digest)
        for kind in COMPARED
        for found in session.metadata.find_artifacts(type=kind, pipeline="tiny")
    }


@pytest.fixture(scope="module")
def undisturbed(second_run: Kept, postgres_url: str) -> set[tuple[str, str | None]]:
    """The digests of both runs, where nothing happened."""
    with second_run.restored(postgres_url) as project, project.session() as session:
        return digests(session)


def whole(project: Project) -> None:
    """Check that nothing half-written is visible: everything published is as it was published, nothing is under way."""
    with project.session() as session:
        assert session.metadata.running() == frozenset()
        for kind in ArtifactType:
            assert not session.metadata.find_artifacts(type=kind, state=ArtifactState.PENDING)
            if kind is not ArtifactType.SOURCE_FILE:
                for found in session.metadata.find_artifacts(type=kind):
                    session.artifacts.verify(found, deep=True)


@contextmanager
def full_store(project: Project) -> Iterator[str]:
    with own_disk(Path(project.settings.artifacts), "16m") as disk, full(disk):
        yield ""


@contextmanager
def full_temporary(project: Project) -> Iterator[str]:
    """A folder for temporary files that fills up after it was chosen: a full one is not chosen."""
    with own_disk(project.folder.parent / "temporary", "16m") as disk, full(disk):
        yield f"import tempfile; tempfile.tempdir = {str(disk)!r}"


@contextmanager
def read_only_store(project: Project) -> Iterator[str]:
    with read_only(Path(project.settings.artifacts)):
        yield ""


FAULTS: tuple[tuple[Callable[[Project], AbstractContextManager[str]], str, str], ...] = (
    (full_store, "the disk is full", "artifacts"),
    (full_temporary, "the disk is full", "temporary"),
    (read_only_store, "the artifact store cannot be written: Read-only file system", "artifacts"),
)
"""Each with what the error says happened, and where."""


def test_runs_that_cannot_write_fail_in_words_and_the_retry_is_clean(
    ran: Project, undisturbed: set[tuple[str, str | None]]
) -> None:
    """The champion answers before, during and after with the same bits; the run after has the undisturbed digests."""
    with serving(ran) as served:
        for fault, what, where in FAULTS:
            with fault(ran) as before:
                failed = ran.start("run", "tiny", "--at", LATER, before=before).wait()
                served.check()
            in_words(failed, what, where)
            whole(ran)
        ran.run(LATER, name="again")
        served.until_version(2)
    with ran.session() as session:
        assert digests(session) == undisturbed


def in_words(failed: subprocess.CompletedProcess[str], what: str, where: str) -> None:
    """Check that a command ended with what happened, where, and what to do."""
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert what in failed.stderr
    assert re.search(rf"where: .*{where}", failed.stderr), failed.stderr
    assert "next: " in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_an_import_that_cannot_unpack_leaves_nothing(ran: Project, tmp_path: Path, fault: str) -> None:
    """A home without room, or that may not be written: told in words, and there again when it is."""
    assert ran.cli("models", "export", "tiny", "1", str(tmp_path / "one.zip")).returncode == 0
    with own_disk(ran.settings.home, "16m") as disk, full(disk) if fault == "full" else read_only(disk):
        failed = ran.cli("models", "import", str(tmp_path / "one.zip"))
    assert failed.returncode in (1, 2)
    assert ("No space left" in failed.stderr or "disk is full" in failed.stderr) == (fault == "full"), failed.stderr
    assert ("Read-only file system" in failed.stderr) == (fault == "read-only"), failed.stderr
    assert "Traceback" not in failed.stderr
    assert not [*ran.settings.home.glob("scratch/*")]
    assert "was registered before" in ran.cli("models", "import", str(tmp_path / "one.zip")).stdout
