"""Lineage events under outages, kills and concurrent work: in the end a destination has all of them, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.project import make_project
from support.stores import new_artifact, new_execution, push

from mlcore.config.lineage import Lineage
from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Execution, ExecutionState
from mlcore.errors import TrackingError
from mlcore.metadata import deliveries
from mlcore.metadata.store import Publication
from mlcore.runtime.interop.lineage import Facts, deliver, due_events
from mlcore.runtime.session import Session
from mlcore.tracking.openlineage.destinations import Taken
from mlcore.tracking.openlineage.records import Event, EventKey, EventKind

_NAMES = count(1)
GIVEN = Lineage(file="unused")


class Killed(BaseException):
    """What ends the process that delivers."""


class Flaky:
    """Takes so many events and then no more for a while, or dies with what it took not yet remembered.

    Attributes:
        events: All that it took, in their order.
        left: How many it takes before it is away.
        dies: Whether its process dies then, after it took an event.
    """

    key = "flaky"
    shown = "flaky"
    portion = 3

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.left = 10**9
        self.dies = False

    def send(self, events: Sequence[Event]) -> Taken:
        taken: list[EventKey] = []
        for event in events:
            if not self.left:
                if self.dies:
                    raise Killed
                return Taken(taken=tuple(taken), error=TrackingError("away"))
            self.left -= 1
            self.events.append(event)
            taken.append(event.key)
        return Taken(taken=tuple(taken))


class Work:
    """A pipeline at which things happen."""

    def __init__(self, session: Session, config: PipelineConfig) -> None:
        self.session, self.config = session, config
        self.running: list[Execution] = []
        self._number = count(1)

    def step(self, act: str) -> None:
        """One thing."""
        pipeline, metadata = self.config.name, self.session.metadata
        if act == "begin":
            self.running.append(metadata.begin(new_execution(pipeline=pipeline), {}))
        elif act == "cached":
            metadata.record_cached(new_execution(pipeline=pipeline), {}, {})
        elif act == "push":
            push(metadata, f"model {next(self._number)} of {pipeline}", next(self._number), pipeline=pipeline)
        elif self.running:
            one = self.running.pop(0)
            if act == "publish":
                made = new_artifact(f"{pipeline}/X/{one.id}", pipeline=pipeline)
                metadata.publish([Publication(execution_id=one.id, outputs={"model": [made]})])
            else:
                state = ExecutionState.FAILED if act == "fail" else ExecutionState.CANCELED
                metadata.fail(one.id, "why", state=state)

    def expected(self) -> dict[EventKey, Event]:
        """Every event there is, told from the store."""
        facts = Facts(self.session, self.config, GIVEN)
        with self.session.metadata.begun() as connection:
            executions = deliveries.Ledger(connection, self.config.name, "").all_executions()
        moves = self.session.registry.history(self.config.name)
        return {event.key: event for event in (*facts.of_executions(executions), *facts.of_moves(moves))}


@pytest.fixture(scope="module")
def module_database(postgres_url: str, template_database: str) -> Iterator[str]:
    from support.databases import clone, drop

    url = clone(postgres_url, template_database)
    yield url
    drop(postgres_url, url)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, module_database: str) -> Iterator[Session]:
    with make_project(tmp_path_factory.mktemp("lineage") / "project", module_database, days=0).session() as opened:
        yield opened


def a_pipeline(session: Session) -> PipelineConfig:
    """One of its own for every example."""
    config = load_pipeline(Path(session.project) / "config" / "pipelines" / "tiny.yaml")
    return config.model_copy(update={"name": f"p{next(_NAMES)}"})


ACTS = st.sampled_from(["begin", "begin", "publish", "fail", "cancel", "cached", "push"])
OUTAGES = st.one_of(st.none(), st.tuples(st.integers(0, 4), st.booleans()))


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(ACTS, OUTAGES), min_size=1, max_size=8), settled=st.booleans())
def test_whatever_happens_all_is_told_in_the_end(
    session: Session, steps: list[tuple[str, tuple[int, bool] | None]], settled: bool
) -> None:
    """Between any two things the destination may be told, go away half-way, or lose who told it.

    What it has in the end is every event, a start before what it came to; what it has twice is the same twice. That
    holds whether rows of what is long past were dropped or not.
    """
    work, place = Work(session, a_pipeline(session)), Flaky()
    with pytest.MonkeyPatch.context() as patch:
        if settled:
            patch.setattr(deliveries, "_SETTLED", timedelta(0))
        for act, outage in steps:
            work.step(act)
            if outage is not None:
                place.left, place.dies = outage
                with suppress(Killed):
                    deliver(session, work.config, GIVEN, place)
        place.left = 10**9
        assert deliver(session, work.config, GIVEN, place).error is None
        assert deliver(session, work.config, GIVEN, place).events == 0
        assert due_events(session, work.config, GIVEN, place) == []
    expected = work.expected()
    first: dict[EventKey, int] = {}
    for index, event in enumerate(place.events):
        first.setdefault(event.key, index)
    assert first.keys() == expected.keys()
    for key, index in first.items():
        if key.kind is not EventKind.START:
            assert first[EventKey(key.subject, key.id, EventKind.START)] < index
    assert all(event.document == expected[event.key].document for event in place.events)


def test_what_is_long_past_leaves_no_rows(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """An execution that still runs holds the mark back; what came after it is remembered one by one until it ends."""
    monkeypatch.setattr(deliveries, "_SETTLED", timedelta(0))
    work, place = Work(session, a_pipeline(session)), Flaky()

    def rows() -> int:
        with session.metadata.begun() as connection:
            ledger = deliveries.Ledger(connection, work.config.name, place.key)
            return len(ledger.taken("execution", range(10**3)))

    for act in ("cached", "begin", "cached"):
        work.step(act)
    deliver(session, work.config, GIVEN, place)
    assert rows() == 3  # the start of the one that runs, and both of the one after it
    work.step("publish")
    deliver(session, work.config, GIVEN, place)
    assert rows() == 0
    assert len(place.events) == 6
