"""How runs of every kind come to their moment."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlcore.airflow.requests import AirflowRun, resolve_as_of, resolve_request
from mlcore.core.types import GraphKind
from mlcore.errors import ConfigError, WindowError

END = datetime(2013, 3, 11, 6, tzinfo=UTC)


def a_run(run_type="scheduled", end=END, **params):
    return AirflowRun(
        dag_id="flights", run_id="r1", run_type=run_type, data_interval_end=end, params=params, task_id="trainer"
    )


@pytest.mark.parametrize("run_type", ["scheduled", "backfill", "manual"])
def test_the_end_of_the_data_interval_is_the_moment_of_every_run_that_has_one(run_type):
    """Scheduled, backfilled and manual runs with an interval know what was known at its end."""
    assert resolve_as_of(a_run(run_type)) == END


@pytest.mark.parametrize("end", [END, None])
def test_a_manual_run_may_name_its_moment(end):
    """as_of wins over the interval Airflow infers for a manual run, and is enough without one."""
    run = a_run("manual", end, as_of="2013-04-01T08:00:00+02:00")
    assert resolve_as_of(run) == datetime(2013, 4, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_backfill_cannot_give_all_its_runs_one_moment(run_type):
    """as_of beside a real data interval is refused, with what to do instead."""
    with pytest.raises(WindowError, match="manual run"):
        resolve_as_of(a_run(run_type, as_of="2013-04-01T06:00Z"))


@pytest.mark.parametrize("run_type", ["manual", "asset_triggered", "operator_triggered"])
def test_a_run_without_interval_and_moment_fails_loudly(run_type):
    """No clock stands in for a missing moment; the message shows the conf that would do."""
    with pytest.raises(WindowError, match="2013-03-11T06:00Z"):
        resolve_as_of(a_run(run_type, None))


@pytest.mark.parametrize("text", ["yesterday", "2013-03-11T06:00", "2013-13-01T00:00Z"])
def test_a_moment_that_is_none_is_refused(text):
    """Text, a missing offset and an impossible date are errors of the parameter."""
    with pytest.raises(WindowError, match="as_of"):
        resolve_as_of(a_run("manual", None, as_of=text))


def test_the_request_carries_overrides_reason_and_origin():
    """What the form holds arrives in the request, with the task and the report for the record."""
    run = a_run("manual", force_push=True, reason=" hotfix ", train="P30D", eval="P3D", report=7)
    request = resolve_request(run, pipeline="flights", kind=GraphKind.RETRAINING)
    assert (request.run, request.as_of, request.force_push, request.reason) == ("r1", END, True, "hotfix")
    assert (request.train, request.eval) == (timedelta(days=30), timedelta(days=3))
    assert request.origin == {
        "dag_id": "flights",
        "run_id": "r1",
        "task_id": "trainer",
        "try_number": 1,
        "report": 7,
    } | {"as_of": "2013-03-11T06:00:00Z"}


def test_runs_of_a_pipelines_dags_never_share_a_name():
    """Runs of every kind with one Airflow run id are runs of their own."""
    names = {resolve_request(a_run(), pipeline="flights", kind=kind).run for kind in GraphKind}
    assert names == {"r1", "monitor__r1", "inference__r1"}


def test_a_forced_push_without_a_reason_is_refused():
    """The champion's history must say why."""
    with pytest.raises(ConfigError, match="reason"):
        resolve_request(a_run("manual", force_push=True, reason="  "), pipeline="flights", kind=GraphKind.RETRAINING)


def test_a_window_override_must_be_a_duration():
    """The message names the parameter and shows how a duration is written."""
    with pytest.raises(WindowError, match=r"train.*\n.*P60D"):
        resolve_request(a_run("manual", train="60 days or so"), pipeline="flights", kind=GraphKind.RETRAINING)


def test_a_moment_in_another_zone_is_the_same_moment():
    """Intervals with any offset resolve to UTC."""
    end = datetime(2013, 3, 11, 8, tzinfo=timezone(timedelta(hours=2)))
    assert resolve_as_of(a_run(end=end)) == END


def test_the_origin_says_what_other_tools_know_the_run_by():
    """Its moment and how often it was cleared: OpenLineage's id of a run follows from them."""
    run = AirflowRun(
        dag_id="flights", run_id="r1", run_type="manual", data_interval_end=END, moment=END, clear_number=2
    )
    assert run.origin["run_moment"] == "2013-03-11T06:00:00Z"
    assert run.origin["clear_number"] == 2
