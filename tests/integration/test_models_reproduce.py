"""Versions are rebuilt from their lineage: in another place to the same bytes, and where they differ it is told why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.project import LATER, Project

import mlcore
from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType
from mlcore.errors import VersionGone
from mlcore.metadata.removals import remove
from mlcore.runtime.environment import processor, python_version
from mlcore.runtime.rebuilding.reproduce import From, Reproduction, reproduce


def rebuilt(project: Project, rows: From = From.AUTO) -> Reproduction:
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    with project.session() as session:
        return reproduce(session, config, session.registry.find("tiny"), rows=rows)


def counted(project: Project) -> dict[str, int]:
    with project.session() as session:
        return {
            type_.value: len(session.metadata.find_artifacts(type=type_, pipeline="tiny"))
            for type_ in (ArtifactType.MODEL, ArtifactType.EXAMPLES, ArtifactType.SOURCE_FILE)
        }


def test_a_version_is_rebuilt_elsewhere_bit_for_bit(ran: Project, tmp_path: Path) -> None:
    """A fresh process in another folder, locale and time zone, on one core, with the data moved: the same digest."""
    elsewhere = tmp_path / "clone"
    shutil.copytree(ran.folder, elsewhere)
    shutil.rmtree(ran.folder)
    environ = {**ran.environ, "MLCORE_PROJECT": str(elsewhere), "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8"}
    before = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{before} from mlcore.cli.main import app; app()",
            "models",
            "reproduce",
            "tiny",
            "1",
            "--json",
        ],
        capture_output=True,
        env={**environ, "PYTHONHASHSEED": "77"},
        cwd=os.sep,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reproduced"] is True
    assert found["rebuilt"] == found["recorded"]
    assert [step["component"] for step in found["steps"]] == ["ExampleGen", "TransformAnalyzer", "Transform", "Trainer"]
    assert all(not step["different"] and not step["stored"] for step in found["steps"])
    assert found["environment_differences"] == []


def test_nothing_is_published_and_nothing_left_behind(ran: Project) -> None:
    """Reproducing writes to no store, and removes what it made."""
    before = counted(ran)
    assert rebuilt(ran).equal
    assert counted(ran) == before
    scratch = ran.settings.home / "scratch"
    assert not list(scratch.glob("reproduce-*"))


def test_what_was_recorded_goes_before_what_the_file_says_now(ran: Project) -> None:
    """A pipeline file that was edited since is not followed, and that is told."""
    ran.replace("max_iter: 10", "max_iter: 11")
    ran.replace("scale_to_z_score", "scale_to_0_1")
    ran.replace("id: int64, at: timestamp", "at: timestamp, id: int64")
    found = rebuilt(ran)
    assert found.equal, found.reasons
    caveats = " ".join(found.caveats)
    assert "model.params.max_iter was 10, now 11" in caveats
    assert "scale_to_0_1" in caveats


def test_spans_whose_file_changed_come_from_their_stored_examples(ran: Project) -> None:
    """Gone and corrected files are named; with the sources alone asked for, the version cannot be rebuilt."""
    ran.data(1).unlink()
    ran.data(2).write_text(ran.data(3).read_text(encoding="utf-8").replace("2024-01-03", "2024-01-02"))
    found = rebuilt(ran)
    assert found.equal
    assert found.steps[0].stored == 2
    assert found.caveats[0] == f"span 2024-01-01 is taken from its stored Examples: its file is gone from {ran.data(1)}"
    assert "span 2024-01-02 is taken from its stored Examples: its file changed since" in found.caveats[1]
    assert rebuilt(ran, From.EXAMPLES).equal
    with pytest.raises(VersionGone, match="2024-01-01 that the model was trained on cannot be had") as refused:
        rebuilt(ran, From.SOURCE)
    assert "put that version of the file back, sha256:" in refused.value.next_step


def test_other_code_is_named_when_the_model_comes_out_otherwise(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the component that differs although its inputs are equal it is told whether code or a library changed."""
    from mlcore.runtime.rebuilding import reasons
    from mlcore.training import train

    fit = train.train

    def other(*given: object, **options: object) -> object:
        return fit(*given, **{**options, "params": {"max_iter": 3, "random_state": 7}})  # type: ignore[arg-type]

    monkeypatch.setattr(train, "train", other)
    found = rebuilt(ran)
    assert not found.equal
    assert [step.component for step in found.steps if step.different] == ["Trainer"]
    assert found.reasons == ("trainer: nothing known differs, so it does not give equal bytes for equal input",)
    assert "such as an estimator without random_state" in found.next_steps[0]
    made_by = reasons.made_by

    def newer(component: object) -> dict[str, object]:
        now = made_by(component)  # type: ignore[arg-type]
        return {**now, "code": "sha256:0", "libraries": {**now["libraries"], "numpy": "99.0"}}  # type: ignore[dict-item]

    monkeypatch.setattr(reasons, "made_by", newer)
    told = rebuilt(ran)
    assert "trainer: its code changed since" in told.reasons
    assert "now 99.0" in " ".join(told.reasons)
    code, libraries = told.next_steps
    assert told.lock.environment is not None
    assert code.startswith("check out the code that it was made with")
    assert told.lock.environment.commit in code
    assert libraries.startswith("install what it was built with: mlcore models lock tiny 1 > built-with.txt")


def test_another_processor_or_python_is_named(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where code and libraries are as they were, and what runs them is not: which it was, and what to do."""
    from mlcore.runtime.rebuilding import reasons
    from mlcore.training import train

    fit, made_by = train.train, reasons.made_by

    def other(*given: object, **options: object) -> object:
        return fit(*given, **{**options, "params": {"max_iter": 3, "random_state": 7}})  # type: ignore[arg-type]

    monkeypatch.setattr(train, "train", other)
    here = {"processor": "a 486", "python": "CPython 2.7.18"}
    monkeypatch.setattr(reasons, "made_by", lambda component: {**made_by(component), **here})
    found = rebuilt(ran)
    assert found.reasons == (
        f"trainer: it ran on {python_version()}; now CPython 2.7.18",
        f"trainer: it ran on another processor: {processor()}; now a 486",
    )
    assert found.next_steps == (
        f"run it with that Python: {python_version()}",
        "rebuild it on a processor of that kind",
    )


def test_the_model_that_gc_removed_is_made_again_or_named(project: Project) -> None:
    """A version that went on from a removed one is rebuilt from that one's lineage; else it is told what is gone."""
    project.replace(
        "  estimator: sklearn.ensemble.HistGradientBoostingClassifier\n  params: {max_iter: 10, random_state: 7}\n",
        "  estimator: sklearn.linear_model.LogisticRegression\n  warm_start: true\n",
    )
    project.run(force_push=True)
    project.run(LATER, name="later", force_push=True)
    with project.session() as session:
        first = session.registry.find("tiny", 1)
        found = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES, pipeline="tiny")
        (oldest,) = (one for one in found if one.span is not None and one.span.label == "2024-01-01")
        (model,) = session.metadata.artifacts([first.artifact_id])
        with session.metadata.begun() as connection:
            remove(connection, [model.id, oldest.id], "retention: keep_ancestors 0")
        for artifact in (model, oldest):
            session.artifacts.delete(artifact.uri)
    again = rebuilt(project)
    assert again.version.version == 2
    assert again.equal
    assert [step.component for step in again.steps].count("Trainer") == 2
    assert f"went on from an earlier model, {first.digest}, which is made again here" in " ".join(again.caveats)
    assert "removed by mlcore gc at 20" in " ".join(again.caveats)
    project.data(1).unlink()
    with pytest.raises(VersionGone) as refused:
        rebuilt(project)
    gone = " ".join(refused.value.what.split())
    assert f"the model {first.digest} that the version went on from was removed by mlcore gc at 20" in gone
    assert "cannot be made again: the rows of span 2024-01-01 that the model was trained on cannot be had" in gone
    assert f"and the Examples {oldest.digest} was removed by mlcore gc at 20" in gone
    assert "(retention: keep_ancestors 0)" in gone
    assert "put that version of the file back" in refused.value.next_step


def test_every_version_has_its_environment_lock(ran: Project) -> None:
    """Beside the model lie the versions of what was installed, and how to install them again."""
    with ran.session() as session:
        (found,) = session.metadata.find_artifacts(type=ArtifactType.ENVIRONMENT, pipeline="tiny")
        folder = session.artifacts.path(found.uri)
    lock = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert lock["python"].split()[1] == ".".join(map(str, sys.version_info[:3]))
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"# {lock['python']}, ")
    assert f"numpy=={lock['distributions']['numpy']}" in lines
    assert not any(line.startswith("mlcore==") for line in lines)
    shown = ran.cli("models", "show", "tiny").stdout
    assert lock["python"] in shown
    assert "mlcore models lock tiny 1" in shown
    printed = ran.cli("models", "lock", "tiny")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.splitlines() == lines
    assert "the same environment" in printed.stderr


def test_what_cannot_be_made_is_told_with_what_it_was_built_with(ran: Project) -> None:
    """Exit code 2: what is gone, and the lock; for programs, too. A lock that gc removed is told as that."""
    with ran.session() as session:
        spans = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES, pipeline="tiny")
        (lock,) = session.metadata.find_artifacts(type=ArtifactType.ENVIRONMENT, pipeline="tiny")
        (oldest,) = (one for one in spans if one.span is not None and one.span.label == "2024-01-01")
        ran.data(1).unlink()
        session.artifacts.delete(oldest.uri)
        with session.metadata.begun() as connection:
            remove(connection, [oldest.id], "retention: max_age 30 days")
    told = ran.cli("models", "reproduce", "tiny")
    assert told.returncode == 2, told.stdout
    words = " ".join(told.stderr.split())
    assert "the rows of span 2024-01-01 that the model was trained on cannot be had" in words
    assert "was removed by mlcore gc at 20" in words
    assert f"built with mlcore {mlcore.__version__}, {python_version()}" in words
    assert "here the same environment" in words
    document = json.loads(ran.cli("models", "reproduce", "tiny", "--json").stdout)
    assert document["reproduced"] is None
    assert document["version"] == 1
    assert "span 2024-01-01" in document["error"]["what"]
    assert document["environment"]["python"] == python_version()
    with ran.session() as session:
        session.artifacts.delete(lock.uri)
        with session.metadata.begun() as connection:
            remove(connection, [lock.id], "retention: keep_champions 0")
    gone = ran.cli("models", "lock", "tiny")
    assert gone.returncode == 1
    assert "its environment lock was removed by mlcore gc at 20" in " ".join(gone.stderr.split())
    shown = " ".join(ran.cli("models", "show", "tiny").stdout.split())
    assert "built with its environment lock was removed by mlcore gc at 20" in shown


def test_an_imported_version_is_reproduced_once_its_window_ran_here(
    ran: Project, project: Project, tmp_path: Path
) -> None:
    """Its own lineage is elsewhere; that of the equal model that a run here made stands for it, and that is told."""
    archive = tmp_path / "one.zip"
    assert ran.cli("models", "export", "tiny", "1", str(archive)).returncode == 0
    assert project.cli("models", "import", str(archive)).returncode == 0
    refused = project.cli("models", "reproduce", "tiny", "1")
    assert refused.returncode == 2
    assert f"built with mlcore {mlcore.__version__}, {python_version()}" in " ".join(refused.stderr.split())
    at = refused.stderr.split("--at ")[1].split()[0]
    project.run(at, force_push=True)
    with project.session() as session:
        config = load_pipeline(project.settings.pipelines / "tiny.yaml")
        found = reproduce(session, config, session.registry.find("tiny", 1))
        assert len(session.registry.versions("tiny")) == 1
    assert found.equal
    assert found.caveats == ("the version was imported; what is made again is the equal model that a run made here",)
