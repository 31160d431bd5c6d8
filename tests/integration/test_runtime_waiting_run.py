"""Runs whose newest spans are late."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from support.project import Project, Silent

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.errors import SpanMissing, SpansAwaited
from mlcore.runtime.graphs.data import EXAMPLE_GEN
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.launch import LaunchResult, launch
from mlcore.runtime.local import run_graph

GRAPH = Graph(nodes=(EXAMPLE_GEN,))


def wait(project: Project, text: str) -> None:
    project.replace("  event_timestamp: at\n", f"  event_timestamp: at\n  complete: {{wait: {text}}}\n")


def now_is(project: Project) -> datetime:
    """The data moved so that a run of this moment is one of today, with the last of its days away."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset, day in enumerate(range(1, 9)):
        then = f"{today - timedelta(days=9 - offset):%Y-%m-%d}"
        text = project.data(day).read_text(encoding="utf-8").replace(f"2024-01-{day:02}", then)
        (project.folder / "data" / f"{then}.csv").write_text(text, encoding="utf-8")
    return datetime.now(UTC)


def run(project: Project, moment: datetime) -> LaunchResult:
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run="r", as_of=moment)
    with project.session() as session:
        (result,) = run_graph(session, config, GRAPH, request=request, observer=Silent())
    return result


def test_a_run_waits_for_a_span_that_comes_late(project: Project) -> None:
    """The file comes while the run waits; no failed execution is recorded, and the run has all its spans."""
    moment = now_is(project)
    wait(project, "PT10M")
    newest = sorted((project.folder / "data").glob("*.csv"))[-1]
    away = newest.rename(newest.with_suffix(".late"))
    timer = threading.Timer(1.5, away.rename, [newest])
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run="r", as_of=moment)
    with project.session() as session:
        with pytest.raises(SpansAwaited, match="1 of 8 spans have no file") as late:
            launch(session, config, GRAPH, "example_gen", request=request, upstream={})
        assert late.value.until == moment + timedelta(minutes=10)
        assert session.metadata.executions("tiny", "r") == ()
    project.replace("PT10M", "PT30S")
    timer.start()
    assert run(project, moment).summary == "8 spans, 8 new"


def test_when_the_time_is_over_the_run_fails_or_does_without(project: Project) -> None:
    """It names the span; with ``min_spans`` it goes on, and says so. A run of the past waits for nothing."""
    moment = now_is(project)
    wait(project, "PT1S")
    newest = sorted((project.folder / "data").glob("*.csv"))[-1]
    newest.unlink()
    with pytest.raises(SpanMissing, match=f"1 of 8 spans have no file: {newest.stem}"):
        run(project, moment)
    project.replace("{train: P4D, eval: P4D}", "{train: P4D, eval: P4D, min_spans: 3}")
    assert run(project, moment).summary == f"7 spans, 7 new, without {newest.stem}"


def test_a_gap_that_later_spans_have_passed_is_not_waited_for(project: Project) -> None:
    """Where the run can do without it: it is lost, not late; the newest span is waited for all the same."""
    moment = now_is(project)
    wait(project, "PT10M")
    project.replace("{train: P4D, eval: P4D}", "{train: P4D, eval: P4D, min_spans: 2}")
    days = sorted((project.folder / "data").glob("*.csv"))[-8:]
    days[2].unlink()
    away = days[7].rename(days[7].with_suffix(".late"))
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    request = RunRequest(pipeline="tiny", run="r", as_of=moment)
    with project.session() as session, pytest.raises(SpansAwaited, match=f"1 of 8 spans have no file: {days[7].stem}"):
        launch(session, config, GRAPH, "example_gen", request=request, upstream={})
    away.rename(days[7])
    assert run(project, moment).summary == f"7 spans, 7 new, without {days[2].stem}"
