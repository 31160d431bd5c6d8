"""The schedule of a pipeline as Airflow understands it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import DateTime, instance

_LAST_OF_A_DAY = timedelta(days=1, microseconds=-1)


class PipelineTimetable(CronDataIntervalTimetable):  # type: ignore[misc] # Airflow is untyped to mypy
    """Data intervals ``[tick, next tick)`` of a cron expression in UTC, each run at its interval's end.

    It differs from Airflow's own in two points:

    * A bound at midnight is a date, and includes the whole of it. ``airflow backfill create`` reads ``--to-date
      2013-04-29`` as midnight, says that it is inclusive, and would leave out the interval that starts that day at six.
    * ``until`` ends scheduling after a day without closing the DAG: Airflow's ``end_date`` also leaves tasks of manual
      runs waiting for ever.
    """

    def __init__(self, cron: str, *, until: date | None = None) -> None:
        super().__init__(cron, "UTC")
        self.until = until

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PipelineTimetable:
        """The timetable that ``serialize`` wrote into the serialized DAG."""
        until = data["until"]
        return cls(data["expression"], until=None if until is None else date.fromisoformat(until))

    def serialize(self) -> dict[str, Any]:
        """JSON for the serialized DAG."""
        return {"expression": self._expression, "until": None if self.until is None else self.until.isoformat()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PipelineTimetable):
            return NotImplemented
        return (self._expression, self.until) == (other._expression, other.until)

    def __hash__(self) -> int:
        return hash((self._expression, self.until))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after the last one, within the restriction's whole days."""
        latest = None if restriction.latest is None else _whole_day(restriction.latest)
        if self.until is not None and not restriction.catchup:  # a backfill catches up, and names its own bounds
            end = instance(datetime.combine(self.until, time.min, tzinfo=UTC) + _LAST_OF_A_DAY)
            latest = end if latest is None else min(latest, end)
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval,
            restriction=restriction._replace(latest=latest),
        )


def _whole_day(moment: DateTime) -> DateTime:
    in_utc = moment.in_timezone("UTC")
    return in_utc + _LAST_OF_A_DAY if in_utc.time() == time.min else in_utc
