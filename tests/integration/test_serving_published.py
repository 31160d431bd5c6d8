"""A server and predictions from a folder that follows the registry, where there is neither database nor project."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.project import Project
from support.serving import expected, served, until

from mlcore.config.loader import load_pipeline
from mlcore.runtime.release.following import level


@pytest.fixture
def shelf(ran_twice: Project) -> Path:
    """Both versions, published to a folder."""
    ran_twice.replace("push: {", "push: {destinations: [{type: folder, url: shelf, aliases: [champion, previous]}], ")
    config = load_pipeline(ran_twice.settings.pipelines / "tiny.yaml")
    with ran_twice.session() as session:
        assert not any(one.error for one in level(session, config))
    return ran_twice.folder / "shelf"


def elsewhere(project: Project, folder: Path) -> Project:
    """A machine without the project and its stores."""
    folder.mkdir()
    nowhere = "postgresql+psycopg2://nobody@127.0.0.1:1/none"
    return Project(replace(project.settings, project=folder, home=folder / "home", database_url=nowhere))


def test_a_server_follows_a_folder_without_a_database(ran_twice: Project, shelf: Path, tmp_path: Path) -> None:
    """It answers with the bits of the champion that is published, and swaps when a rollback is."""
    away = elsewhere(ran_twice, tmp_path / "away")
    scores = {version: expected(ran_twice, version)[1] for version in (1, 2)}
    rows = expected(ran_twice, 1)[0].to_pylist()
    with served(away, "--from", str(shelf)) as client:
        asked = client.post("/v1/predict", json={"rows": rows}).json()
        assert (asked["model_version"], [one["probability"] for one in asked["predictions"]]) == (2, scores[2])
        assert client.get("/v1/model").json()["model_version"] == 2
        done = ran_twice.cli("models", "rollback", "tiny", "--json")
        assert json.loads(done.stdout)["champion"] == 1, done.stderr
        until(lambda: client.get("/v1/model").json()["model_version"] == 1)
        asked = client.post("/v1/predict", json={"rows": rows}).json()
        assert (asked["model_version"], [one["probability"] for one in asked["predictions"]]) == (1, scores[1])
        pointer = shelf / "tiny" / "champion.json"
        kept = pointer.read_bytes()
        pointer.write_bytes(b"{")
        assert client.post("/v1/predict", json={"rows": rows[:1]}).json()["model_version"] == 1
        pointer.write_bytes(kept)


def test_what_is_not_published_cannot_be_served(ran_twice: Project, shelf: Path, tmp_path: Path) -> None:
    """An alias that leads nowhere, and a folder that is not there, are told before a server starts."""
    away = elsewhere(ran_twice, tmp_path / "away")
    done = away.cli("serve", "tiny", "--from", str(shelf), "--model", "challenger")
    assert (done.returncode, "no challenger of tiny is published" in done.stderr) == (1, True)
    done = away.cli("serve", "tiny", "--from", str(tmp_path / "gone"))
    assert (done.returncode, "no champion of tiny is published" in done.stderr) == (1, True)
