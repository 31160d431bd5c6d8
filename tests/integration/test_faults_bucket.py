"""A bucket that is away, hangs or refuses, as the artifact store and as the source of data."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import fsspec.config
import pytest
from support.faults import Gate, serving
from support.project import LATER, Project
from support.s3 import S3, s3_server

from mlcore.core.types import ArtifactState, ArtifactType
from mlcore.errors import MlcoreError

from .conftest import Kept

pytest.importorskip("moto")

MOODS = ("away", "hangs", "403", "500")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    impatient = {"config_kwargs": {"read_timeout": 1, "connect_timeout": 1, "retries": {"max_attempts": 0}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", impatient)
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    with s3_server(monkeypatch) as server:
        yield server


@pytest.fixture
def gate(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Between whoever uses the server and the server."""
    found = Gate(s3.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield found
    found.close()


def uploaded(project: Project, s3: S3) -> Project:
    """The project with its artifacts in a bucket: what is recorded of them is relative to the store."""
    root = Path(project.settings.artifacts)
    for file in root.rglob("*"):
        if file.is_file():
            s3.put(f"s3://lake/mlcore/{file.relative_to(root).as_posix()}", file.read_bytes())
    return Project(replace(project.settings, artifacts="s3://lake/mlcore"))


def made(project: Project) -> set[str | None]:
    with project.session() as session:
        return {one.digest for one in session.metadata.find_artifacts(type=ArtifactType.STATISTICS, pipeline="tiny")}


def test_a_bucket_that_does_not_answer_stops_runs_in_words_and_gives_nothing_up(
    ran: Project, second_run: Kept, postgres_url: str, s3: S3, gate: Gate
) -> None:
    """The store is away, hangs or refuses: the champion serves on, nothing is taken for lost, and a retry is clean."""
    project = uploaded(ran, s3)
    with serving(project) as served:
        for mood in MOODS:
            gate.set(mood)
            with pytest.raises(MlcoreError) as refused:
                project.run(LATER, name=mood, until="statistics_gen")
            assert "artifact store" in f"{refused.value.what} {refused.value.next_step}", refused.value
            assert "s3://lake/mlcore" in refused.value.where
            assert "MLCORE_ARTIFACTS" in refused.value.next_step
            served.check()
            gate.set("open")
            with project.session() as session:
                assert session.metadata.running() == frozenset()
                for kind in (ArtifactType.MODEL, ArtifactType.EXAMPLES, ArtifactType.STATISTICS):
                    assert not session.metadata.find_artifacts(type=kind, state=ArtifactState.ABANDONED)
                (model,) = session.metadata.find_artifacts(type=ArtifactType.MODEL, pipeline="tiny")
                session.artifacts.verify(model, deep=True)
        results = project.run(LATER, name="again", until="statistics_gen")
    assert results["statistics_gen"].summary == "8 spans, 1 new"
    again = made(project)
    with second_run.restored(postgres_url) as undisturbed:
        assert again == made(undisturbed)


def test_a_source_that_does_not_answer_is_told_by_every_way_it_fails(ran: Project, s3: S3, gate: Gate) -> None:
    """A bucket that is away, hangs or refuses: an error with its address; the champion serves on; a retry reads."""
    ran.replace(
        'source: {type: csv, path: "data/{YYYY}-{MM}-{DD}.csv"}',
        'source: {type: csv, path: "s3://lake/{YYYY}-{MM}-{DD}.csv.gz"}',
    )
    for day in range(1, 10):
        s3.put(f"s3://lake/2024-01-{day:02}.csv.gz", gzip.compress(ran.data(day).read_bytes(), mtime=0))
    with serving(ran) as served:
        for mood in MOODS:
            gate.set(mood)
            with pytest.raises(MlcoreError) as refused:
                ran.run(LATER, name=mood, until="example_gen")
            assert "s3://lake/2024-01-" in refused.value.where
            assert refused.value.next_step
            served.check()
        gate.set("open")
        results = ran.run(LATER, name="again", until="example_gen")
    assert results["example_gen"].summary == "8 spans, 8 new"
