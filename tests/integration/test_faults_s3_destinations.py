"""What goes to a bucket, predictions and released models: killed or cut off amid an upload, refused, and done again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import fsspec
import fsspec.config
import pytest
from support.faults import Gate, serving
from support.project import AS_OF, LATER, Project
from support.s3 import S3, s3_server

from mlcore.config.loader import load_pipeline
from mlcore.deployment.destinations.folder import place_of, read_pointer, release_flaws
from mlcore.errors import DestinationError
from mlcore.runtime.release.following import check

pytest.importorskip("moto")

MOODS = ("away", "hangs", "403", "500")
OUT = "s3://lake/out/{YYYY}-{MM}-{DD}.parquet"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as server:
        yield server


@pytest.fixture
def gate(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Between whoever uses the server and the server; who hangs is not waited for."""
    impatient = {"config_kwargs": {"read_timeout": 1, "connect_timeout": 1, "retries": {"max_attempts": 0}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", impatient)
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    found = Gate(s3.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    yield found
    found.close()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def held(below: str) -> dict[str, bytes]:
    """Everything in the bucket below a prefix, by name."""
    bucket = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    return {name.removeprefix(f"lake/{below}/"): bucket.cat_file(name) for name in bucket.find(f"lake/{below}")}


def killed_amid_upload(project: Project, gate: Gate, *arguments: str, passing: int = 0) -> None:
    """A command that is killed when it has sent one half of a file, after so many whole ones."""
    gate.stall(passing)
    process = project.start(*arguments)
    assert gate.stalled.wait(60), process.said("stderr")
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    gate.set("open")


def ask(project: Project) -> None:
    """An inference block of two days, to a bucket."""
    lines = ["inference:", '  schedule: "0 6 * * *"', "  window: P2D", "  destinations:"]
    project.replace("monitor:", "\n".join([*lines, f'    - {{type: parquet, path: "{OUT}"}}', "monitor:"]))


def test_predictions_in_a_bucket_are_whole_or_of_before(ran_twice: Project, gate: Gate) -> None:
    """Killed amid an upload, or refused, the bucket holds the rows of before; the rerun gives equal bytes."""
    project = ran_twice
    ask(project)
    killed_amid_upload(project, gate, "infer", "tiny", "--at", LATER)
    assert held("out") == {}
    project.run(LATER, name="first", infer=True)
    first = held("out")
    assert sorted(first) == ["2024-01-09.parquet", "2024-01-10.parquet"]

    with project.session() as session:
        session.registry.rollback("tiny", actor="me", reason="test")
    killed_amid_upload(project, gate, "infer", "tiny", "--at", LATER)
    assert held("out") == first
    killed_amid_upload(project, gate, "infer", "tiny", "--at", LATER, passing=1)
    amid = held("out")
    assert amid["2024-01-09.parquet"] != first["2024-01-09.parquet"]
    assert amid["2024-01-10.parquet"] == first["2024-01-10.parquet"]

    for mood in MOODS:
        gate.set(mood)
        with pytest.raises(DestinationError) as refused:
            project.run(LATER, name=mood, infer=True)
        assert "s3://lake/out/2024-01-09.parquet" in refused.value.where, mood
        assert refused.value.next_step
    gate.set("open")
    assert held("out") == amid
    project.run(LATER, name="again", infer=True)
    again = held("out")
    assert again["2024-01-09.parquet"] == amid["2024-01-09.parquet"]
    assert again["2024-01-10.parquet"] != first["2024-01-10.parquet"]
    project.run(LATER, name="and again", infer=True)
    assert held("out") == again
    project.run(AS_OF, name="past", infer=True)
    assert held("out")["2024-01-09.parquet"] == again["2024-01-09.parquet"]  # what a later run delivered stays


def shown() -> int | None:
    """The version that the bucket's champion shows, whose release is whole; ``None`` where there is none."""
    place = place_of("s3://lake/models/tiny")
    pointer = read_pointer(place, "champion")
    if pointer is None:
        return None
    assert list(release_flaws(place, pointer.release, pointer.digest)) == []
    return pointer.version


@pytest.mark.long
def test_a_release_in_a_bucket_is_whole_or_not_shown(ran_twice: Project, gate: Gate) -> None:
    """Killed at its first, its second file and the pointer, cut off, or refused: the pointer leads to what is whole."""
    project = ran_twice
    project.replace("push: {", "push: {destinations: [{type: folder, url: s3://lake/models}], ")
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    killed_amid_upload(project, gate, "models", "publish", "tiny")
    assert shown() is None
    killed_amid_upload(project, gate, "models", "publish", "tiny", passing=1)
    assert (shown(), len(held("models"))) == (None, 1)
    assert project.cli("models", "publish", "tiny").returncode == 0
    assert shown() == 2
    files = len([name for name in held("models") if not name.endswith("champion.json")])

    killed_amid_upload(project, gate, "models", "rollback", "tiny", "--reason", "test", passing=files)
    with project.session() as session:
        assert session.registry.find("tiny", "champion").version == 1
    assert shown() == 2  # the release of version 1 is there, the pointer is not yet moved
    done = project.cli("models", "publish", "tiny")
    assert (done.returncode, "releases written" in done.stdout, shown()) == (0, False, 1), done.stdout
    with serving(project) as served:
        for mood in MOODS:
            gate.set(mood)
            with project.session() as session:
                (found,) = check(session, config)
            assert found.error, mood
            assert "s3://lake/models" in found.place
        gate.set("away")
        done = project.cli("models", "promote", "tiny", "2", "--reason", "test")
        assert (done.returncode, "is not level yet" in done.stderr) == (0, True), done.stderr
        gate.set("open")
        served.until_version(2)
    assert shown() == 1
    gate.stall(0)
    process = project.start("models", "publish", "tiny")
    assert gate.stalled.wait(60)
    gate.set("away")
    assert process.wait().returncode == 1
    gate.set("open")
    assert shown() == 1
    assert project.cli("models", "publish", "tiny").returncode == 0
    assert shown() == 2
    with project.session() as session:
        assert [one.error for one in check(session, config)] == [""]
