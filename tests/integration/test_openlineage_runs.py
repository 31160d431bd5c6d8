"""Lineage of real runs: told to an endpoint that comes and goes and to a file, while they go on and afterwards."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.lineage_endpoint import endpoint
from support.openlineage import problems
from support.project import AS_OF, Project
from typer.testing import CliRunner, Result

from mlcore.cli.main import app
from mlcore.config.loader import load_pipeline
from mlcore.core.types import ExecutionState, NewExecution
from mlcore.errors import SpanMissing, TrackingError
from mlcore.runtime.interop.courier import telling

FILE = "lineage/events.jsonl"
TOKEN = "t0ken-that-nobody-may-see"


def configured(project: Project, block: str) -> None:
    path = project.settings.pipelines / "tiny.yaml"
    path.write_text(f"{path.read_text(encoding='utf-8')}lineage: {{{block}}}\n", encoding="utf-8")


def mlcore(project: Project, *arguments: str) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(app, arguments, env={**project.environ, "LINEAGE_TOKEN": TOKEN})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["run"]["runId"], one["eventType"]) for one in events]


def test_an_endpoint_is_told_everything_once_whenever_it_is_there(ran: Project) -> None:
    """A run tells its own events and those of runs before it; an outage fails nothing, and is caught up after it."""
    with endpoint() as server:
        configured(ran, f"url: '{server.url}', token: '${{LINEAGE_TOKEN}}', max_wait: PT60S")
        assert mlcore(ran, "run", "tiny", "--at", AS_OF).exit_code == 0
        assert mlcore(ran, "lineage", "sync", "--check").exit_code == 0
        first = len(server.events)
        with server.away():
            assert mlcore(ran, "run", "tiny", "--at", AS_OF).exit_code == 0
            with ran.session() as session:
                session.registry.set_alias("tiny", "shadow", 1, actor="me", reason="to try it")
            assert len(server.events) == first
            told = mlcore(ran, "lineage", "sync", "tiny", "--check")
            assert isinstance(told.exception, TrackingError)
            assert "was not delivered" in told.stdout
        assert "events delivered" in mlcore(ran, "lineage", "sync").stdout
        assert mlcore(ran, "lineage", "sync", "tiny", "--check").exit_code == 0
        assert mlcore(ran, "lineage", "sync").stdout == "tiny: nothing was missing\n"
        events, headers = server.events, server.headers
    assert [found for event in events for found in problems(event)] == []
    assert len(set(names(events))) == len(events) > first
    assert headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in json.dumps(events)
    _says_what_became_of_it(events)


def _says_what_became_of_it(events: list[dict[str, Any]]) -> None:
    """Of the first run everything was made, of the others nothing; the model's way is told from data to alias."""
    ended: dict[str, list[dict[str, Any]]] = {}
    for one in events:
        if one["eventType"] == "COMPLETE":
            ended.setdefault(one["job"]["name"], []).append(one)
    reused = [one["run"]["facets"]["mlcore_execution"]["reused"] for one in ended["tiny.trainer"]]
    assert reused == [False, True, True]
    profiled = ended["tiny.statistics_gen.span"][0]["inputs"][0]["inputFacets"]["dataQualityMetrics"]
    assert profiled["rowCount"] == 120
    assert profiled["columnMetrics"]["colour"] == {"count": 120, "distinctCount": 3, "nullCount": 0}
    assert profiled["columnMetrics"]["size"]["quantiles"]["1"] == profiled["columnMetrics"]["size"]["max"] <= 1
    facets = {one["name"].rpartition("tiny/")[2]: one["facets"] for name in ended for one in ended[name][0]["outputs"]}
    assert facets["Model"]["mlcore_model"]["estimator"] == "sklearn.ensemble.HistGradientBoostingClassifier"
    assert facets["Model"]["mlcore_model"]["features"] == ["colour", "size"]
    metrics = {one["name"]: one for one in facets["Evaluation"]["mlcore_evaluation"]["metrics"]}
    assert metrics["roc_auc"]["lower"] < metrics["roc_auc"]["value"] < metrics["roc_auc"]["upper"]
    assert facets["Evaluation"]["mlcore_evaluation"]["blessed"] is True
    assert facets["PushedModel"]["mlcore_push"]["version"] == 1
    lineage = facets["TransformGraph"]["columnLineage"]["fields"]["colour"]["inputFields"]
    assert [(one["field"], one["name"].rpartition("/")[2]) for one in lineage] == [("colour", "Examples")]
    assert facets["aliases/champion"]["mlcore_model"]["digest"] == facets["Model"]["mlcore_model"]["digest"]
    (shadow,) = ended["tiny.alias.shadow"]
    assert shadow["run"]["facets"]["mlcore_alias"]["actor"] == "me"
    pusher = ended["tiny.pusher"][0]["run"]["runId"]
    assert ended["tiny.alias.champion"][0]["run"]["facets"]["parent"]["run"]["runId"] == pusher
    for each in ended.values():
        for one in each:
            started = names(events).index((one["run"]["runId"], "START"))
            assert started < names(events).index((one["run"]["runId"], "COMPLETE"))


def test_a_run_that_fails_is_told_in_a_file_and_the_proof_finds_what_is_done_to_it(project: Project) -> None:
    """Why it failed is told. What is lost, changed or added in the file is found, and sending again makes it whole."""
    configured(project, f"file: {FILE}, max_wait: PT60S")
    path = project.settings.home / FILE
    assert isinstance(mlcore(project, "run", "tiny", "--at", "2025-01-10T06:00Z").exception, SpanMissing)
    lines = path.read_bytes().splitlines(keepends=True)
    events = [json.loads(line) for line in lines]
    assert [one["eventType"] for one in events] == ["START", "FAIL"]
    assert "errorMessage" in events[1]["run"]["facets"]
    assert [found for event in events for found in problems(event)] == []
    assert mlcore(project, "lineage", "sync", "--check").exit_code == 0
    assert mlcore(project, "lineage", "sync").stdout == "tiny: nothing was missing\n"
    other = {**events[0], "run": {**events[0]["run"], "runId": events[0]["run"]["runId"][:-1] + "x"}}
    path.write_bytes(json.dumps(other).encode() + b"\n" + lines[0].replace(b"example_gen", b"other_gen") + b'{"torn')
    told = mlcore(project, "lineage", "sync", "--check").stdout
    assert "the FAIL of execution 1 is missing" in told
    assert "the START of execution 1 is there as something else" in told
    assert "is there, and not ours" in told
    path.write_bytes(lines[1] + b'{"torn')
    assert "2 events delivered" in mlcore(project, "lineage", "sync", "--again").stdout
    assert mlcore(project, "lineage", "sync", "--check").exit_code == 0
    assert path.read_bytes() == lines[1] + b'{"torn\n' + lines[0] + lines[1]


def test_a_start_is_told_while_the_work_goes_on(project: Project) -> None:
    """The endpoint knows of it before it has ended; one whose process died is told as aborted when that is found."""
    with endpoint() as server:
        configured(project, f"url: '{server.url}', max_wait: PT60S")
        config = load_pipeline(project.settings.pipelines / "tiny.yaml")
        new = NewExecution(component="Trainer", pipeline="tiny", run="r", fingerprint="sha256:" + "1" * 64)
        with project.session() as session:
            with telling(session, config, project.settings.home):
                dead = session.metadata.begin(new, {})
                until(lambda: len(server.events) == 1)
                assert server.events[0]["eventType"] == "START"
                alive = session.metadata.begin(new, {})  # the lock was free: whoever ran the first is dead
                session.metadata.fail(alive.id, "why", state=ExecutionState.FAILED)
            assert [one["eventType"] for one in server.events] == ["START", "ABORT", "START", "FAIL"]
            assert session.metadata.execution(dead.id).state is ExecutionState.CANCELED


@pytest.mark.parametrize("refused", [False, True])
def test_an_endpoint_that_is_no_good_keeps_nobody_waiting(
    project: Project, caplog: pytest.LogCaptureFixture, *, refused: bool
) -> None:
    """One that says nothing is given up after the time allowed; what one refuses for good is told by the proof."""
    with endpoint() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        server.answer = 422
        port = server.port if refused else silent.getsockname()[1]
        configured(project, f"url: 'http://127.0.0.1:{port}', timeout: PT0.5S, max_wait: PT1S")
        config = load_pipeline(project.settings.pipelines / "tiny.yaml")
        new = NewExecution(component="Trainer", pipeline="tiny", run="r", fingerprint=None)
        started = time.monotonic()
        home = project.settings.home
        with caplog.at_level(logging.WARNING), project.session() as session, telling(session, config, home):
            session.metadata.begin(new, {})
        assert time.monotonic() - started < 20
        told = mlcore(project, "lineage", "sync", "--check").stdout
    assert ("was refused for good" if refused else "lineage events wait") in caplog.text
    assert ("was refused: HTTP 422" if refused else "was not delivered") in told


def test_a_command_without_lineage_says_how_to_have_it(project: Project, tmp_path: Path) -> None:
    """With an address whose variable is not set, which variable that is; and the run goes on without."""
    done = mlcore(project, "lineage", "sync")
    assert "no pipeline has lineage" in str(done.exception)
    configured(project, "url: '${NOWHERE_AT_ALL}'")
    assert "NOWHERE_AT_ALL is not set" in str(mlcore(project, "lineage", "sync").exception)
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    with project.session() as session, telling(session, config, tmp_path):
        pass
