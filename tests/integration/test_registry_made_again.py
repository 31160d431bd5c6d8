"""Versions whose files were removed, and made again since: what they were registered with is there in another place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.project import AS_OF, LATER, Project

from mlcore.config.retention import Retention
from mlcore.core.types import ArtifactState
from mlcore.errors import ArtifactMissing
from mlcore.runtime.comparison import compare_runs
from mlcore.runtime.gc import collect
from mlcore.runtime.release.approval import decide
from mlcore.runtime.retention import expire
from mlcore.serving.sources import RegistrySource

POLICY = Retention(keep_runs=1, keep_champions=1)
LATEST = "2024-01-12T06:00Z"


def forget(project: Project) -> None:
    """What ``mlcore gc`` does in a year."""
    with project.session() as session:
        now = datetime.now(UTC) + timedelta(days=400)
        expire(session.artifacts, session.metadata, "tiny", POLICY, dry_run=False, now=now)
        collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)


@pytest.fixture
def forgotten(ran_twice: Project) -> Project:
    """Three champions one after the other, of which the first was removed."""
    ran_twice.run(LATEST, name="latest", force_push=True)
    with ran_twice.session() as session:
        assert session.registry.aliases("tiny")["champion"] == 3
    forget(ran_twice)
    return ran_twice


def test_a_version_without_files_says_who_removed_them(forgotten: Project, tmp_path: Path) -> None:
    """Nobody is told of a missing file: it was gc, by this policy, and running the window again helps."""
    for arguments in (
        ("models", "export", "tiny", "1", str(tmp_path / "one.zip")),
        ("models", "diff", "tiny", "1", "3"),
        ("evaluate", "show", "tiny", "--version", "1"),
    ):
        told = forgotten.cli(*arguments)
        assert told.returncode == 1, arguments
        assert "was removed by mlcore gc at 20" in " ".join(told.stderr.split()), told.stderr
        assert "run its window again, which makes the same" in " ".join(told.stderr.split())
    with forgotten.session() as session:
        source = RegistrySource(session, "tiny")
        with pytest.raises(ArtifactMissing, match="was removed by mlcore gc"), source.files(source.find(1)):
            pass


def test_a_version_that_was_made_again_is_used_as_before(forgotten: Project, tmp_path: Path) -> None:
    """It is champion, served, asked, compared and exported from where it lies now, and kept there."""
    forgotten.run(AS_OF, name="again")
    assert forgotten.cli("models", "promote", "tiny", "1", "--reason", "it was better").returncode == 0
    for number in range(2):  # runs that do not need it
        forgotten.run(LATEST, name=f"other {number}")
    forget(forgotten)
    with forgotten.session() as session:
        source = RegistrySource(session, "tiny")
        version = source.find("champion")
        assert version.version == 1
        named = session.metadata.artifacts([version.artifact_id, version.evaluation_id])
        assert {one.state for one in named} == {ArtifactState.DELETED}
        there = session.metadata.present([version.artifact_id, version.evaluation_id])
        assert [one.digest for one in there] == [one.digest for one in named]
        assert {one.state for one in there} == {ArtifactState.LIVE}
        with source.files(version) as folder:
            assert folder == session.artifacts.path(there[0].uri)
    asked = str(forgotten.data(9))
    for arguments in (
        ("predict", "tiny", asked, "--out", str(tmp_path / "predicted.parquet")),
        ("models", "export", "tiny", "1", str(tmp_path / "one.zip")),
        ("models", "reproduce", "tiny", "1"),
        ("evaluate", "show", "tiny"),
        ("transform", "show", "tiny"),
    ):
        told = forgotten.cli(*arguments)
        assert told.returncode == 0, (arguments, told.stdout, told.stderr)


def test_what_a_person_said_outlives_the_model(ran: Project) -> None:
    """No run makes an answer again: the next one of the same window acts on it, whatever else was removed."""
    ran.replace("push: {infra:", "push: {approval: true, infra:")
    ran.run(LATER, name="later")
    with ran.session() as session:
        decide(session, "tiny", 2, approved=False, actor="bob", reason="odd slices")
    ran.run(LATEST, name="latest")
    forget(ran)
    with ran.session() as session:
        said = session.registry.approvals("tiny")[1]
        (blessing,) = session.metadata.artifacts([said.artifact_id or 0])
        (model,) = session.metadata.artifacts([session.registry.find("tiny", 2).artifact_id])
        assert (blessing.state, model.state) == (ArtifactState.LIVE, ArtifactState.DELETED)
    ran.run(LATER, name="again")
    with ran.session() as session:
        assert session.registry.pushes("tiny")[-1].reason == "withheld: rejected by bob: odd slices"


def test_runs_are_compared_by_what_the_model_is(forgotten: Project) -> None:
    """What a run was compared with is the model of the run that made it again, wherever its files lie."""
    forgotten.run(AS_OF, name="again")
    with forgotten.session() as session:
        found = compare_runs(session, "tiny", ["again", "later"])
        assert found.runs[0].model.id != session.registry.find("tiny", "1").artifact_id
    assert [(each.run, each.rows_of) for each in found.differences] == [("later", "later")]
