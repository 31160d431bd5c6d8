"""Runs of a small, real pipeline under Airflow: from files to a champion, and from the champion to the next run."""

import subprocess
import sys

import pytest

from mlcore.core.types import ArtifactType, ExecutionState
from mlcore.runtime.session import open_session

AS_OF = "2013-01-11T06:00:00Z"
LATER = "2013-01-14T07:00:00Z"
ASKED = "retrain__2013-01-14T07:00:00Z"


@pytest.fixture(scope="module")
def first_run(platform):
    """A manual run with its moment in the form, which made the first champion."""
    platform.wait_for_dag("small")
    platform.trigger("small", "first", as_of=AS_OF, reason="the first")
    assert platform.finished("small", "first", 300) == "success", platform.tasks("small", "first")
    return "first"


def airflow(platform, *arguments):
    """Output of an ``airflow`` command."""
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=platform.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def xcoms(platform, dag_id, run_id):
    """Every value the run's tasks left."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/~/xcomEntries"
    entries = platform.client.get(path).json()["xcom_entries"]
    return {
        entry["task_id"]: platform.client.get(path.replace("~", entry["task_id"]) + "/" + entry["key"]).json()["value"]
        for entry in entries
    }


def test_the_backfill_of_the_documentation_gives_nine_weekly_runs(platform):
    """Both dates are included as days: nine intervals that start on a Monday at six."""
    platform.wait_for_dag("flight_delays")
    dates = ("--from-date", "2013-03-04", "--to-date", "2013-04-29")
    output = airflow(platform, "backfill", "create", "--dag-id", "flight_delays", *dates, "--dry-run")
    starts = [line for line in output.splitlines() if "06:00:00" in line]
    assert len(starts) == 9
    assert "2013-03-04" in starts[0]
    assert "2013-04-29" in starts[-1]


def test_a_run_makes_a_champion_and_leaves_only_ids_in_xcom(platform, first_run):
    """Ten tasks, ten executions in the metadata store, integers between tasks, a model that is pushed."""
    states = platform.tasks("small", first_run)
    assert set(states.values()) == {"success"}
    left = xcoms(platform, "small", first_run)
    assert set(left) == set(states)
    assert all(isinstance(value, int) for value in left.values())
    with open_session(platform.settings) as session:
        executions = session.metadata.executions("small", first_run)
        pushed = session.metadata.find_artifacts(type=ArtifactType.PUSHED_MODEL, pipeline="small", run=first_run)
    assert {execution.id for execution in executions} >= set(left.values())
    assert all(execution.origin["run_id"] == first_run for execution in executions)
    assert len(pushed) == 1


def test_the_same_moment_again_computes_nothing(platform, first_run):
    """A second run of one window finds everything done."""
    platform.trigger("small", "again", as_of=AS_OF, reason="the same again")
    assert platform.finished("small", "again", 300) == "success"
    with open_session(platform.settings) as session:
        executions = session.metadata.executions("small", "again")
    states = {execution.origin["task_id"]: execution.state for execution in executions}
    states.pop("pusher")  # a push is a decision of its own run
    assert set(states.values()) == {ExecutionState.CACHED}
    assert len(states) == 9


def test_a_run_without_a_moment_fails_at_once_and_says_what_to_do(platform):
    """No interval, no as_of: no retries, and the alert shows the conf to give."""
    platform.wait_for_dag("small")
    platform.trigger("small", "nothing-given")
    assert platform.finished("small", "nothing-given", 120) == "failed"
    assert platform.tasks("small", "nothing-given")["example_gen"] == "failed"
    platform.until(lambda: any("nothing-given" in mail["Subject"] for mail in platform.mail), 60, "the alert")
    (body,) = [message["message"] for message in platform.webhook if "nothing-given" in message["title"]]
    assert "as_of" in body


def test_missing_data_fails_the_run_and_the_alert_names_the_spans(platform):
    """The reason in the alert is the task's own error, from the metadata store."""
    platform.wait_for_dag("small")
    platform.trigger("small", "too-early", as_of="2013-01-05T06:00:00Z")
    assert platform.finished("small", "too-early", 120) == "failed"
    platform.until(lambda: any("too-early" in message["title"] for message in platform.webhook), 60, "the alert")
    (body,) = [message["message"] for message in platform.webhook if "too-early" in message["title"]]
    assert "2012-12-" in body


def test_the_monitor_starts_exactly_one_run_that_carries_report_and_reason(platform, first_run):
    """A champion that is too old is reported; the retraining run gets moment, reason and report; clearing adds none."""
    platform.client.patch("/api/v2/dags/small", json={"is_paused": True}).raise_for_status()
    platform.wait_for_dag("small_monitor")
    platform.trigger("small_monitor", "watch", as_of=LATER)
    assert platform.finished("small_monitor", "watch", 300) == "success", platform.tasks("small_monitor", "watch")
    run = platform.client.get(f"/api/v2/dags/small/dagRuns/{ASKED}").json()
    assert run["conf"]["as_of"] == LATER
    assert "days ago, more than 2 days" in run["conf"]["reason"]
    listed = platform.client.get("/mlcore/dags/small_monitor/runs/watch/reports").text
    assert f"report {run['conf']['report']}" in listed
    assert f"report {run['conf']['report']}" in platform.client.get(f"/mlcore/dags/small/runs/{ASKED}/reports").text

    clear = {"dry_run": False, "dag_run_id": "watch", "task_ids": ["retrain"], "only_failed": False}
    platform.client.post("/api/v2/dags/small_monitor/clearTaskInstances", json=clear).raise_for_status()
    assert platform.finished("small_monitor", "watch", 60) == "success"
    runs = platform.client.get("/api/v2/dags/small/dagRuns").json()["dag_runs"]
    assert [run["dag_run_id"] for run in runs if run["dag_run_id"].startswith("retrain__")] == [ASKED]


def test_a_backfilled_monitor_reports_and_starts_nothing(platform, first_run):
    """History is looked at, and does not ask for a model."""
    platform.client.patch("/api/v2/dags/small", json={"is_paused": True}).raise_for_status()
    platform.wait_for_dag("small_monitor")
    dates = ("--from-date", "2013-01-14", "--to-date", "2013-01-14")
    airflow(platform, "backfill", "create", "--dag-id", "small_monitor", *dates)
    run_id = "backfill__2013-01-15T07:00:00+00:00"  # Airflow names interval runs after their end
    assert platform.finished("small_monitor", run_id, 200) == "success"
    assert platform.tasks("small_monitor", run_id)["drift_monitor"] == "success"
    assert platform.tasks("small_monitor", run_id)["retrain"] == "skipped"
    assert platform.client.get("/api/v2/dags/small/dagRuns/retrain__2013-01-15T07:00:00Z").status_code == 404
