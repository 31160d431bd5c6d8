"""A push destination that lags behind: people are told once, by whatever levels it, and once that it is level again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.faults import read_only
from support.project import LATER, Project

from .conftest import Kept

# Apprise tries the standard library's imghdr first.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


def follow(project: Project, url: str | Path, hook: str = "") -> None:
    project.replace("push: {", f"push: {{destinations: [{{type: folder, url: {url}}}], ")
    if hook:
        path = project.settings.pipelines / "tiny.yaml"
        path.write_text(f'{path.read_text(encoding="utf-8")}alerts: {{urls: ["{hook}"]}}\n', encoding="utf-8")


def publish(project: Project, *options: str) -> tuple[int, str]:
    """The exit code of ``mlcore models publish``, and all it says."""
    done = project.cli("models", "publish", "tiny", *options)
    return done.returncode, done.stdout + done.stderr


def test_people_are_told_once_and_again_when_it_is_level(
    ran_twice: Project, webhook: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Whichever run, monitoring run or command finds it; an alert that nobody got is tried again."""
    follow(ran_twice, "shelf", f"json://127.0.0.1:{webhook.port}/${{HOOK}}")
    told = Project(replace(ran_twice.settings, variables={"HOOK": "x"}))
    with read_only(ran_twice.folder / "shelf"):
        assert ran_twice.run(LATER, name="first")["pusher"].behind
        assert "the environment variable HOOK is not set" in caplog.text
        assert not webhook.received
        told.run(LATER, name="second")
        (alert,) = webhook.received
        assert alert["title"] == "tiny is ahead of a push destination (run second)"
        assert alert["type"] == "failure"
        assert "folder shelf" in alert["message"]
        assert "Read-only file system" in alert["message"]
        told.run(LATER, name="watched", monitor=True)
        code, said = publish(ran_twice)
        assert (code, "Read-only file system" in said) == (1, True), said
        assert len(webhook.received) == 1
    told.run(LATER, name="level", monitor=True)
    (_, alert) = webhook.received
    assert alert["title"] == "tiny is level with a push destination again (run level)"
    assert alert["type"] == "success"
    assert "champion at version 2" in alert["message"]
    assert publish(ran_twice)[0] == publish(ran_twice, "--check")[0] == 0
    assert len(webhook.received) == 2


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_check_ends_with_what_it_found_and_writes_nothing(ran_twice: Project) -> None:
    """Level: 0. Empty, behind, damaged, or out of reach: 1, with every difference."""
    shelf = ran_twice.folder / "shelf"
    follow(ran_twice, "shelf")
    code, said = publish(ran_twice, "--check")
    assert (code, "champion is not there, and belongs at version 2" in said, shelf.exists()) == (1, True, False), said
    assert publish(ran_twice)[0] == 0
    assert publish(ran_twice, "--check")[0] == 0
    with ran_twice.session() as session:
        session.registry.rollback("tiny", actor="me", reason="test")
    before = listing(shelf)
    code, said = publish(ran_twice, "--check")
    assert (code, "champion is at version 2" in said, "belongs at version 1" in said) == (1, True, True), said
    assert listing(shelf) == before
    ran_twice.replace("url: shelf", "url: data/2024-01-01.csv")
    code, said = publish(ran_twice, "--check")
    assert (code, "Traceback" in said) == (1, False), said


def test_a_folder_that_another_store_wrote_is_left_alone_until_it_is_taken_over(
    ran_twice: Project, project: Project, tmp_path: Path
) -> None:
    """Refused, and untouched; taken over whole; then the other store is the one that is refused."""
    ours, others, shelf = ran_twice, project, tmp_path / "shelf"
    assert ours.cli("models", "export", "tiny", "2", str(tmp_path / "two.zip")).returncode == 0
    assert others.cli("models", "import", str(tmp_path / "two.zip")).returncode == 0
    assert others.cli("models", "promote", "tiny", "1", "--reason", "test").returncode == 0
    follow(others, shelf)
    follow(ours, shelf)
    assert publish(others)[0] == 0
    written = listing(shelf)
    code, said = publish(ours)
    assert (code, "it follows another registry, whose champion of tiny is at version 1" in said) == (1, True), said
    assert "--take-over" in said
    code, said = publish(ours, "--check")
    assert (code, "of another registry, and belongs at version 2" in said) == (1, True), said
    assert listing(shelf) == written

    code, said = publish(ours, "--take-over")
    assert (code, "champion at version 2" in said) == (0, True), said
    assert publish(ours, "--check")[0] == 0
    code, said = publish(others)
    assert (code, "whose champion of tiny is at version 2" in said) == (1, True), said
    with others.session() as session:
        assert session.registry.find("tiny", "champion").version == 1
    assert publish(ours, "--check")[0] == 0


def test_a_database_restored_from_a_backup_does_not_take_a_folder_back_by_itself(
    first_run: Kept, second_run: Kept, postgres_url: str, tmp_path: Path
) -> None:
    """The folder knows a move that the database lost: refused, until it is said that the database is right."""
    shelf = tmp_path / "shelf"
    with second_run.restored(postgres_url) as newer:
        follow(newer, shelf)
        assert publish(newer)[0] == 0
    with first_run.restored(postgres_url) as older:
        follow(older, shelf)
        code, said = publish(older)
        assert (code, "it is ahead: its champion is at version 2" in said) == (1, True), said
        assert publish(older, "--take-over")[0] == 0
        assert publish(older, "--check")[0] == 0
