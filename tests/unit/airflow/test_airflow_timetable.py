"""Which runs a pipeline's schedule gives."""

from datetime import date

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction

from mlcore.airflow.timetable import PipelineTimetable

WEEKLY = PipelineTimetable("0 6 * * MON")


def intervals(timetable, earliest, latest, *, catchup=True, limit=50):
    """What Airflow's backfill iterates over, as interval starts and ends."""
    restriction = TimeRestriction(pendulum.parse(earliest), latest and pendulum.parse(latest), catchup)
    found, info = [], None
    while len(found) < limit:
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        if info is None:
            break
        found.append(info.data_interval)
    return found


def test_a_backfill_by_dates_includes_the_whole_last_day():
    """2013-03-04 to 2013-04-29 are nine Mondays, the first run as of the Monday after."""
    found = intervals(WEEKLY, "2013-03-04", "2013-04-29")
    assert [interval.start for interval in found] == [
        pendulum.datetime(2013, 3, 4, 6).add(weeks=week) for week in range(9)
    ]
    assert found[0].end == pendulum.datetime(2013, 3, 11, 6)
    assert found[-1].end == pendulum.datetime(2013, 5, 6, 6)


@pytest.mark.parametrize(("latest", "runs"), [("2013-03-11T05:59", 1), ("2013-03-11T06:00", 2), ("2013-03-10", 1)])
def test_a_bound_with_a_time_is_taken_at_its_word(latest, runs):
    """Only midnight stands for a whole day."""
    assert len(intervals(WEEKLY, "2013-03-04", latest)) == runs


def test_no_interval_is_scheduled_after_until():
    """Scheduling ends with the day; a backfill beyond it is still possible."""
    timetable = PipelineTimetable("0 6 * * MON", until=date(2013, 12, 31))
    assert intervals(timetable, "2013-03-04", None, catchup=False) == []
    assert len(intervals(timetable, "2014-01-01", "2014-01-13")) == 2


def test_without_until_the_newest_interval_is_scheduled():
    """Catchup off skips to the interval that ended last."""
    (newest,) = intervals(WEEKLY, "2013-03-04", None, catchup=False, limit=1)
    assert pendulum.now("UTC").subtract(weeks=1) < newest.end <= pendulum.now("UTC")


@pytest.mark.parametrize("until", [None, date(2013, 12, 31)])
def test_the_timetable_survives_serialization(until):
    """The scheduler works with an equal timetable, rebuilt from JSON."""
    timetable = PipelineTimetable("@daily", until=until)
    again = PipelineTimetable.deserialize(timetable.serialize())
    assert again == timetable
    assert hash(again) == hash(timetable)
    assert again != PipelineTimetable("@hourly", until=until)
