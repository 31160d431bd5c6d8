"""Late spans: how long is waited for them, and how often is looked."""

from __future__ import annotations

import logging
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from mlcore.errors import SpanMissing, SpansAwaited
from mlcore.runtime.waiting import next_look, until_there

NOW = datetime(2024, 1, 1, 9, tzinfo=UTC)


class Clock:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def test_late_spans_are_looked_for_until_they_are_there(caplog: pytest.LogCaptureFixture) -> None:
    """Every sixtieth of the wait, and what is waited for is told once for as long as it is the same."""
    clock, wait = Clock(), timedelta(hours=1)
    looked: list[datetime] = []

    def launch() -> str:
        looked.append(clock.now)
        if clock.now < NOW + timedelta(minutes=20):
            raise SpansAwaited("1 of 8 spans have no file: 2024-01-08", until=NOW + wait, where="data/8.csv")
        return "done"

    with caplog.at_level(logging.WARNING):
        assert until_there(launch, wait=wait, now=clock, sleep=clock.sleep) == "done"
    assert looked == [NOW + timedelta(minutes=minute) for minute in range(21)]
    (told,) = caplog.messages
    assert told == "waiting until 2024-01-01T10:00:00Z: 1 of 8 spans have no file: 2024-01-08 (looked at data/8.csv)"


def test_when_the_time_is_over_spans_are_missing() -> None:
    """What the last launch raises is not swallowed, and it is launched right at the end of the wait."""
    clock, until = Clock(), NOW + timedelta(seconds=90)

    def launch() -> None:
        if clock.now < until:
            raise SpansAwaited("late", until=until)
        raise SpanMissing("missing")

    with pytest.raises(SpanMissing, match="missing"):
        until_there(launch, wait=timedelta(hours=1), now=clock, sleep=clock.sleep)
    assert clock.now == until


@pytest.mark.parametrize(
    ("wait", "pause"),
    [(timedelta(seconds=5), 1), (timedelta(hours=1), 60), (timedelta(days=7), 300), (None, 5)],
)
def test_looks_are_a_second_to_five_minutes_apart(wait: timedelta | None, pause: int) -> None:
    """A short wait does not hammer the source, a long one does not sleep for hours."""
    assert next_look(NOW + timedelta(days=1), NOW, wait) == NOW + timedelta(seconds=pause)


def test_the_error_keeps_its_moment_between_processes() -> None:
    """Pickled and back it says the same."""
    error = SpansAwaited("late", until=NOW, where="here", next_step="wait")
    again = pickle.loads(pickle.dumps(error))
    assert (again.until, str(again)) == (NOW, str(error))
