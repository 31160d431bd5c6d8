from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.project import AS_OF, Project

from mlcore.components.example_gen import ExampleGen
from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType, GraphKind
from mlcore.core.window import parse_moment
from mlcore.errors import ArtifactError
from mlcore.runtime import spans
from mlcore.runtime.fingerprint import fingerprint
from mlcore.runtime.graphs.graph import Sources
from mlcore.runtime.resolve import Resolver


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the artifacts, of 32 KiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", place]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)  # a process of the run may be ending still


def test_a_disk_that_fills_up_stops_a_run_in_words_and_loses_nothing(project: Project, disk: Path) -> None:
    """However far a run came, the error names the full disk and the remedy; with room again it goes on from there."""
    project = Project(replace(project.settings, artifacts=str(disk)))
    done = 0
    for size in ("48k", "96k", "160k", "320k"):
        with pytest.raises(ArtifactError, match="the disk is full") as error:
            project.run(name=f"full-{size}")
        assert "mlcore gc" in error.value.next_step
        with project.session() as session:
            assert session.metadata.running() == frozenset()
            published = [found for type_ in ArtifactType for found in session.metadata.find_artifacts(type=type_)]
            for artifact in published:
                session.artifacts.verify(artifact, deep=True)
        assert len(published) >= done
        done = len(published)
        subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    assert project.states(project.run(name="room", until="evaluator"))["evaluator"] == "COMPLETE"


def test_spans_are_worked_on_in_portions(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """More spans than a portion holds come out as in one go: each once, in order."""
    monkeypatch.setattr(spans, "PORTION_SPANS", 3)
    results = project.run(until="statistics_gen")
    assert results["example_gen"].summary == results["statistics_gen"].summary == "8 spans, 8 new"
    with project.session() as session:
        examples = session.metadata.outputs(results["example_gen"].execution_id)["spans"]
    assert [artifact.span.label for artifact in examples if artifact.span] == [f"2024-01-{n:02}" for n in range(1, 9)]


def test_waiting_for_an_equal_run_is_told(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    """A run that finds a span being worked on by another says that it waits, and goes on when the other is done."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run="r", as_of=parse_moment(AS_OF))
    with project.session() as session:
        resolver = Resolver(config=config, request=request, kind=GraphKind.RETRAINING, upstream={}, session=session)
        source = resolver.resolve(Sources())[0]
        key = fingerprint(ExampleGen(config), {"source": [source]}, source.span)
        holding = session.metadata.exclusive([key])
        holding.__enter__()
        freed = threading.Timer(3.5, holding.__exit__, (None, None, None))
        freed.start()
        results = project.run(until="example_gen")
        freed.join()
    assert "another run is making the same outputs" in caplog.text
    assert results["example_gen"].summary == "8 spans, 8 new"
