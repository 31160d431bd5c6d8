"""PostgreSQL that is restarted or away: the champion serves on, the error says it, a retry is clean."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from support.faults import Serving, serving
from support.forks import Forked
from support.project import LATER, Project

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType, ExecutionState, NewArtifact, NewExecution
from mlcore.core.window import parse_moment
from mlcore.errors import MetadataUnavailable
from mlcore.metadata.store import MetadataStore, Publication
from mlcore.platform.postgres import EmbeddedPostgres
from mlcore.platform.processes import inside
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.runtime.publishing import publish
from mlcore.runtime.session import open_session
from mlcore.serving.process import open_stores

from .conftest import Kept


class Between:
    """Does something after a node of a run."""

    def __init__(self, node: str, act: Callable[[], object]) -> None:
        self._node, self._act = node, act

    def started(self, node: str) -> None: ...

    def finished(self, result: LaunchResult) -> None:
        if result.node == self._node:
            self._act()


def run(project: Project, name: str, observer: Between) -> dict[str, LaunchResult]:
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run=name, as_of=parse_moment(LATER))
    with open_session(project.settings) as session:
        results = run_graph(session, config, retraining_graph(config), request=request, observer=observer)
    return {result.node: result for result in results}


@pytest.fixture
def server(postgres_url: str) -> Iterator[EmbeddedPostgres]:
    """The server of all tests, to be stopped and started; it runs again afterwards."""
    sockets = make_url(postgres_url).query["host"]
    assert isinstance(sockets, str)
    found = EmbeddedPostgres(Path(sockets).parent.parent)
    found.start()
    yield found
    found.start()
    found.stop()


def test_a_server_that_is_restarted_or_away_is_told_and_the_retry_is_clean(
    ran: Project, second_run: Kept, postgres_url: str, server: EmbeddedPostgres
) -> None:
    """Away in the middle of a run: an error in words; restarted in the next: it goes on, to the same model."""
    with serving(ran) as served:
        with pytest.raises(MetadataUnavailable, match="does not answer") as away:
            run(ran, "away", Between("statistics_gen", server.stop_for_all))
        assert "mlcore up" in away.value.next_step
        failed = ran.cli("run", "tiny", "--at", LATER)
        assert failed.returncode == 1
        assert "the metadata database does not answer" in failed.stderr
        assert "Traceback" not in failed.stderr
        time.sleep(2)
        served.check()
        assert served.client.get("/readyz").json()["looked_seconds_ago"] > 1
        server.start()
        served.check()

        def restart() -> None:
            server.stop_for_all()
            served.check()
            server.start()

        results = run(ran, "again", Between("transform", restart))
        assert results["example_gen"].state is ExecutionState.CACHED
        served.until_version(2)
    with ran.session() as session:
        assert session.metadata.running() == frozenset()
        again = session.registry.find("tiny", 2).digest
    with second_run.restored(postgres_url) as project, project.session() as session:
        assert session.registry.find("tiny", 2).digest == again


HALTING = """
import time
from pathlib import Path

import mlcore.runtime.publishing
from mlcore.components.pusher import Pusher
from mlcore.components.trainer import Trainer

def halting(component, patience):
    run = component.run

    def made(self, inputs, outputs):
        run(self, inputs, outputs)
        there = Path({folder!r}) / component.__name__
        mlcore.runtime.publishing.PATIENCE_SECONDS = patience
        there.touch()
        while there.exists():
            time.sleep(0.02)

    component.run = made

halting(Trainer, 120.0)
halting(Pusher, 0.5)
"""
"""A run that halts when a model is made, which is published patiently, and when a push is decided on, which is not."""


def test_what_was_made_waits_for_a_server_that_comes_back_and_a_push_is_done_whole_or_not_at_all(
    ran: Project, second_run: Kept, postgres_url: str, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Away for less than is waited for: a line of warning. For longer, amid a push: an error, and the retry pushes."""
    with serving(ran) as served:
        process = ran.start("run", "tiny", "--at", LATER, before=HALTING.format(folder=str(tmp_path)))
        until_there(tmp_path / "Trainer", process)
        failures = counter(served, "mlcore_refresh_failures_total")
        server.stop_for_all()
        (tmp_path / "Trainer").unlink()
        time.sleep(2)
        served.check()
        assert time.time() - counter(served, "mlcore_looked_timestamp_seconds") > 1
        assert counter(served, "mlcore_refresh_failures_total") > failures
        server.start()
        until_there(tmp_path / "Pusher", process)
        server.stop_for_all()
        (tmp_path / "Pusher").unlink()
        failed = process.wait()
        served.check()
        server.start()
        assert failed.returncode == 1, failed.stdout
        assert "what was made is published when the database answers" in failed.stderr
        assert "error: the metadata database does not answer" in failed.stderr
        with ran.session() as session:
            assert session.registry.find("tiny", "champion").version == 1
        done = ran.cli("run", "tiny", "--at", LATER)
        assert done.returncode == 0, done.stderr
        served.until_version(2)
        assert time.time() - counter(served, "mlcore_looked_timestamp_seconds") < 30
    with ran.session() as session:
        assert session.metadata.running() == frozenset()
        assert [move.to_version for move in session.registry.history("tiny")] == [1, 2]
        again = session.registry.find("tiny", 2).digest
    with second_run.restored(postgres_url) as project, project.session() as session:
        assert session.registry.find("tiny", 2).digest == again


def until_there(path: Path, process: Forked) -> None:
    for _ in range(3_600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(process.said("stderr"))


def counter(served: Serving, name: str) -> float:
    """What ``/metrics`` says."""
    (line,) = (one for one in served.client.get("/metrics").text.splitlines() if one.startswith(f"{name}{{"))
    return float(line.rpartition(" ")[2])


def test_a_server_that_hangs_keeps_nobody_from_being_answered(
    ran: Project, postgres_url: str, server: EmbeddedPostgres
) -> None:
    """Its processes stand still: readiness says for how long nobody could look, and answers stay the same."""
    data = Path(str(make_url(postgres_url).query["host"])).parent.parent / "postgres" / "data"
    with serving(ran) as served:
        processes = inside(data)
        try:
            for process in processes:
                os.kill(process.pid, signal.SIGSTOP)
            time.sleep(2.5)
            served.check()
            assert served.client.get("/readyz").json()["looked_seconds_ago"] > 1
        finally:
            for process in processes:
                os.kill(process.pid, signal.SIGCONT)
        time.sleep(1.5)
        assert served.client.get("/readyz").json()["looked_seconds_ago"] < 1.5


def test_a_publication_whose_answer_was_lost_is_found(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction was done, its answer never came: what it made is there once, and nothing is made anew."""
    published, lost = MetadataStore.publish, iter([True])

    def unheard(self: MetadataStore, *given: Any, **named: Any) -> object:
        done = published(self, *given, **named)
        if next(lost, False):
            raise MetadataUnavailable("the metadata database does not answer: it was restarted")
        return done

    monkeypatch.setattr(MetadataStore, "publish", unheard)
    new = NewArtifact(type=ArtifactType.STATISTICS, uri="tiny/a", digest=f"sha256:{7:064}", pipeline="tiny")
    with project.session() as session:
        made = session.metadata.begin(
            NewExecution(component="StatisticsGen", pipeline="tiny", run="r", fingerprint=f"sha256:{8:064}"), {}
        )
        (outputs,) = publish(session, [Publication(execution_id=made.id, outputs={"statistics": [new]})])
        assert outputs == session.metadata.outputs(made.id)
        assert [one.id for one in outputs["statistics"]] == [
            one.id for one in session.metadata.find_artifacts(type=ArtifactType.STATISTICS, pipeline="tiny")
        ]


def test_a_worker_that_takes_the_place_of_another_waits_for_a_server_that_is_away(
    project: Project, server: EmbeddedPostgres
) -> None:
    """It neither ends nor says so again and again: it has its stores when the server is there."""
    server.stop_for_all()
    with ThreadPoolExecutor(1) as executor, ExitStack() as stack:
        stores = executor.submit(open_stores, project.settings, stack, patient=True)
        time.sleep(1)
        assert not stores.done()
        server.start()
        assert stores.result(30).registry.versions("tiny") == ()
    server.stop_for_all()
    with ExitStack() as stack, pytest.raises(MetadataUnavailable):
        open_stores(project.settings, stack, patient=False)
