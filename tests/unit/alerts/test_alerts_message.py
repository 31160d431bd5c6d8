"""What an alert says, whatever it is about."""

import pytest

from mlcore.alerts.message import MAX_BODY, MAX_TITLE, Alert, FailedTask
from mlcore.errors import MlcoreError


def an_alert(**changes):
    values = {
        "pipeline": "flights",
        "run": "scheduled__2013-03-04",
        "where": "http://localhost/dags/flights",
        "tasks": (FailedTask(name="trainer", why="out of memory", tries=3),),
    }
    return Alert(**{**values, **changes})


def test_an_alert_says_what_failed_why_and_where_to_look():
    """Title and body hold the pipeline, the run, the task, its reason and the address."""
    alert = an_alert()
    assert alert.title == "flights failed in trainer (run scheduled__2013-03-04)"
    for part in ("flights", "scheduled__2013-03-04", "trainer after 3 tries", "out of memory", "http://localhost/dags"):
        assert part in alert.body


def test_an_alert_is_bounded_whatever_failed():
    """Long errors and many tasks are cut; how many were left out is said, and the address stays."""
    tasks = tuple(FailedTask(name=f"task_{number}", why="x" * 10_000) for number in range(50))
    alert = an_alert(tasks=tasks, run="r" * 500)
    assert len(alert.title) <= MAX_TITLE
    assert len(alert.body) <= MAX_BODY
    assert "and 45 more tasks" in alert.body
    assert "look at: http://localhost" in alert.body


def test_control_characters_do_not_reach_a_header():
    """A name from outside cannot add a line to a mail's headers."""
    alert = an_alert(run="r1\r\nBcc: everyone@example.org\x1b[2J")
    assert not any(character in alert.title for character in "\r\n\x1b")
    assert "\x1b" not in alert.body


def test_an_alert_without_a_failed_task_needs_a_reason():
    """A run that a person marked failed says so; silence is refused."""
    assert "marked" in an_alert(tasks=(), why="marked failed by admin").body
    with pytest.raises(MlcoreError, match="why"):
        an_alert(tasks=())


def test_an_alert_without_a_failed_task_says_what_happened():
    """A run that did what it was to do did not fail: the title says what people are told of."""
    alert = an_alert(tasks=(), why="the bucket is away", headline="is ahead of a push destination")
    assert alert.title == "flights is ahead of a push destination (run scheduled__2013-03-04)"
    assert "the bucket is away" in alert.body


def test_news_of_no_run_names_none():
    """What happened outside of a run is told without one, in the title and in the body."""
    alert = an_alert(run="", tasks=(), why="level again", headline="is level with a push destination again", good=True)
    assert alert.title == "flights is level with a push destination again"
    assert "run:" not in alert.body
