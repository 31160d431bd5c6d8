"""PostgreSQL that is restarted or away: the champion serves on, the error says it, a retry is clean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from support.faults import serving
from support.project import LATER, Project

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.types import ExecutionState
from mlcore.core.window import parse_moment
from mlcore.errors import MetadataUnavailable
from mlcore.platform.postgres import EmbeddedPostgres
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.launch import LaunchResult
from mlcore.runtime.local import run_graph
from mlcore.runtime.session import open_session

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
