"""Push destinations behind a real registry: folders here, a bucket of a real S3 server, classes of a project's own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import LATER, Project
from support.s3 import S3, s3_server
from support.serving import expected

from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.deployment.destinations.folder import place_of, read_pointer, release_flaws
from mlcore.runtime.release.following import check, level
from mlcore.training.model import load_model


def following(project: Project, *entries: str) -> PipelineConfig:
    """The pipeline's file with destinations."""
    project.replace("push: {", f"push: {{destinations: [{', '.join(entries)}], ")
    return load_pipeline(project.settings.pipelines / "tiny.yaml")


def shown(url: str | Path, alias: str = "champion") -> int | None:
    """The version that a pointer shows, whose release is whole."""
    place = place_of(f"{url}/tiny")
    pointer = read_pointer(place, alias)
    assert pointer is not None
    if pointer.version is not None:
        assert list(release_flaws(place, pointer.release, pointer.digest)) == []
    return pointer.version


def test_a_folder_follows_every_command_that_moves_an_alias(ran_twice: Project) -> None:
    """What a pointer leads to is a whole version that loads; --check proves it, and tells what is not equal."""
    following(ran_twice, "{type: folder, url: shelf, aliases: [champion, previous, challenger]}")
    shelf = ran_twice.folder / "shelf"
    assert ran_twice.cli("models", "publish", "tiny").returncode == 0
    assert (shown(shelf), shown(shelf, "previous")) == (2, 1)
    assert not (shelf / "tiny" / "challenger.json").exists()

    done = ran_twice.cli("models", "rollback", "tiny", "--reason", "complaints")
    assert (done.returncode, shown(shelf)) == (0, 1), done.stderr
    assert shown(shelf, "previous") is None
    ran_twice.cli("models", "alias", "set", "tiny", "challenger", "2")
    assert shown(shelf, "challenger") == 2
    ran_twice.cli("models", "alias", "remove", "tiny", "challenger")
    assert shown(shelf, "challenger") is None

    done = ran_twice.cli("models", "publish", "tiny", "--check")
    assert (done.returncode, done.stdout.strip()) == (0, "folder shelf: equal")
    pointer = json.loads((shelf / "tiny" / "champion.json").read_bytes())
    folder = shelf / "tiny" / pointer["release"]
    assert load_model(folder / "model")[-1] is not None
    assert json.loads((folder / "manifest.json").read_bytes())["about"]["config"]["name"] == "tiny"

    model = folder / "model" / "model.skops"
    model.write_bytes(model.read_bytes()[:-1])
    done = ran_twice.cli("models", "publish", "tiny", "--check")
    assert done.returncode == 1
    assert "model/model.skops" in done.stdout
    done = ran_twice.cli("models", "publish", "tiny")
    assert (done.returncode, done.stdout.strip()) == (0, "folder shelf: 1 releases written")
    assert ran_twice.cli("models", "publish", "tiny", "--check").returncode == 0


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with s3_server(monkeypatch) as server:
        yield server


def test_a_bucket_that_is_away_delays_nothing_but_itself(
    ran: Project, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    """The push succeeds with a warning; the bucket is brought level by the next run, or by the command."""
    config = following(ran, "{type: folder, url: s3://lake/models}", "{type: folder, url: shelf}")
    s3.stop()
    result = ran.run(LATER, name="later")["pusher"]
    assert (len(result.behind), result.state.value) == (1, "COMPLETE")
    assert "s3://lake/models" in result.behind[0]
    assert "mlcore models publish tiny" in caplog.text
    assert shown(ran.folder / "shelf") == 2
    with ran.session() as session:
        assert session.registry.champion("tiny").version == 2
        assert [bool(one.error) for one in check(session, config)] == [True, False]
    s3.start()
    result = ran.run(LATER, name="again")["pusher"]
    assert (result.behind, shown("s3://lake/models")) == ((), 2)
    with ran.session() as session:
        assert not any(one.error for one in check(session, config))
        session.registry.rollback("tiny", actor="me", reason="complaints")
        assert not any(one.error for one in level(session, config))
    assert shown("s3://lake/models") == 1


def test_a_process_killed_after_the_commit_is_made_up_for_by_the_next_run(ran_twice: Project) -> None:
    """Between the commit of a move and the pointer's a process is killed; a run, though it pushes nothing, levels."""
    following(ran_twice, "{type: folder, url: shelf}")
    assert ran_twice.cli("models", "publish", "tiny").returncode == 0
    kill = f"""
import os
from mlcore.deployment.destinations.places import LocalPlace
LocalPlace.replace = lambda *_: os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    process = ran_twice.start("models", "rollback", "tiny", before=kill)
    assert process.wait().returncode == -signal.SIGKILL
    with ran_twice.session() as session:
        assert session.registry.champion("tiny").version == 1
    assert shown(ran_twice.folder / "shelf") == 2
    ran_twice.run(LATER, name="next")
    assert shown(ran_twice.folder / "shelf") == 1


def test_a_class_of_the_projects_own_is_a_destination(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its import path, with its options, their ${NAME} filled in; what it raises is told without secrets."""
    (ran.folder / "own_shelf.py").write_text(
        """
from mlcore.deployment.destinations.base import Destination


class Shelf(Destination):
    def state(self):
        raise RuntimeError("no shelf for " + self.options["token"])

    def publish(self, release): ...

    def point(self, pointer, found): ...
"""
    )
    monkeypatch.setattr(sys, "path", [str(ran.folder), *sys.path])
    config = following(ran, '{type: own_shelf.Shelf, token: "${SHELF_TOKEN}"}')
    with ran.session() as session:
        (found,) = level(session, config)
        assert "SHELF_TOKEN is not set" in found.error
    os.environ["SHELF_TOKEN"] = "tell-nobody"
    try:
        settings = type(ran.settings).from_environ({**ran.environ, "SHELF_TOKEN": "tell-nobody"})
        with Project(settings).session() as session:
            (found,) = level(session, config)
    finally:
        del os.environ["SHELF_TOKEN"]
    assert (found.place, found.error) == ("own_shelf.Shelf", "RuntimeError: 'no shelf for ****'")


def test_a_folder_in_mlflows_format_is_loaded_by_mlflow(ran_twice: Project) -> None:
    """Its predictions are those of the exported pipeline; a change of the format is levelled, too."""
    pyfunc = pytest.importorskip("mlflow.pyfunc")
    config = following(ran_twice, "{type: folder, url: shelf, format: mlflow}")
    with ran_twice.session() as session:
        assert [one.error for one in level(session, config)] == [""]
        assert [one.said for one in check(session, config)] == ["equal"]
    shelf = ran_twice.folder / "shelf" / "tiny"
    release = json.loads((shelf / "champion.json").read_bytes())["release"]
    assert release.endswith("-mlflow")
    rows, scores = expected(ran_twice, 2)
    assert pyfunc.load_model(str(shelf / release)).predict(rows.to_pandas()).tolist() == scores

    ran_twice.replace(", format: mlflow", "")
    with ran_twice.session() as session:
        (found,) = level(session, load_pipeline(ran_twice.settings.pipelines / "tiny.yaml"))
    assert found.said.startswith("1 releases written, champion at version 2")
    assert shown(shelf.parent) == 2
