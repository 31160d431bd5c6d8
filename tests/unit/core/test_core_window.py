from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlcore.core.window import (
    Interval,
    Span,
    TrainingWindow,
    iso,
    newest_mature_end,
    parse_moment,
    resolve_monitor_window,
    resolve_window,
)
from mlcore.errors import WindowError

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    return parse_moment(text)


def test_the_window_of_a_monday_morning_is_the_documented_one() -> None:
    """As of Monday 06:00 with labels a day late, evaluation is 3 to 9 March and training the 60 days before."""
    window = resolve_window(at("2013-03-11T06:00Z"), grain=DAY, train=60 * DAY, evaluation=7 * DAY, label_delay=DAY)
    labels = [span.label for span in window.spans]
    assert (labels[0], labels[59], labels[60], labels[-1]) == ("2013-01-02", "2013-03-02", "2013-03-03", "2013-03-09")
    assert len(labels) == 67


@pytest.mark.parametrize(
    ("as_of", "end"),
    [
        ("2013-03-10T23:59:59Z", "2013-03-09T00:00:00Z"),
        ("2013-03-11T00:00:00Z", "2013-03-10T00:00:00Z"),
        ("2013-03-11T01:00:00+02:00", "2013-03-09T00:00:00Z"),
    ],
)
def test_a_span_counts_from_the_moment_its_last_label_is_mature(as_of: str, end: str) -> None:
    """The newest span ends at the last day boundary that lies a label delay before as_of."""
    assert iso(newest_mature_end(at(as_of), grain=DAY, label_delay=DAY)) == end


def test_no_evaluation_row_has_a_label_that_was_unknown() -> None:
    """For any as_of of a day, the last evaluated moment plus the delay is not after as_of."""
    for minute in range(0, 24 * 60, 7):
        as_of = at("2013-06-01T00:00Z") + timedelta(minutes=minute)
        window = resolve_window(as_of, grain=DAY, train=3 * DAY, evaluation=DAY, label_delay=timedelta(hours=30))
        assert window.evaluation.end + timedelta(hours=30) <= as_of


def test_a_moment_without_offset_is_refused() -> None:
    """A naive moment could mean two different windows, so it is an error."""
    with pytest.raises(WindowError, match="no time zone"):
        parse_moment("2013-03-11T06:00")
    with pytest.raises(WindowError, match="not an ISO 8601"):
        parse_moment("last monday")


def test_windows_must_be_whole_spans() -> None:
    """A window of a day and a half of daily spans cannot be read span by span."""
    with pytest.raises(WindowError, match="whole number of spans"):
        resolve_window(at("2013-03-11T06:00Z"), grain=DAY, train=1.5 * DAY, evaluation=DAY, label_delay=DAY)


def test_evaluation_before_training_ends_is_refused() -> None:
    """Rule 2: evaluation rows come after training rows."""
    first = Interval(start=at("2013-01-01T00:00Z"), end=at("2013-01-03T00:00Z"))
    with pytest.raises(WindowError, match="starts before training"):
        TrainingWindow(as_of=at("2013-02-01T00:00Z"), grain=DAY, train=first, evaluation=first)


def test_evaluation_after_as_of_is_refused() -> None:
    """Rule 2: nothing after as_of is known."""
    train = Interval(start=at("2013-01-01T00:00Z"), end=at("2013-01-03T00:00Z"))
    later = Interval(start=at("2013-01-03T00:00Z"), end=at("2013-01-04T00:00Z"))
    with pytest.raises(WindowError, match="after as_of"):
        TrainingWindow(as_of=at("2013-01-03T12:00Z"), grain=DAY, train=train, evaluation=later)


def test_intervals_are_half_open_and_in_utc() -> None:
    """The start is inside, the end is not, and an offset is converted."""
    zone = timezone(timedelta(hours=-5))
    interval = Interval(start=datetime(2013, 1, 1, tzinfo=zone), end=datetime(2013, 1, 2, tzinfo=zone))
    assert interval.start == datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert interval.start in interval
    assert interval.end not in interval
    with pytest.raises(WindowError, match="empty"):
        Interval(start=interval.end, end=interval.end)


def test_span_labels_sort_in_time_order() -> None:
    """Labels name files and states, so their order is the order in time."""
    hours = [
        Span(
            start=at("2013-01-01T22:00Z") + n * timedelta(hours=1), end=at("2013-01-01T23:00Z") + n * timedelta(hours=1)
        )
        for n in range(4)
    ]
    assert [span.label for span in hours] == sorted(span.label for span in hours)
    assert hours[0].label == "20130101T2200Z"


def test_a_monitoring_window_looks_at_what_arrived_and_at_what_is_labelled() -> None:
    """Drift needs no labels and takes the newest days; performance takes the newest mature ones."""
    window = resolve_monitor_window(at("2013-05-20T07:00Z"), grain=DAY, current=7 * DAY, label_delay=DAY)
    assert (iso(window.current.end), iso(window.labelled.end)) == ("2013-05-20T00:00:00Z", "2013-05-19T00:00:00Z")
