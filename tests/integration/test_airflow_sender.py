"""The process that looks up why a run failed and tells people, with a real store and a real webhook."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlcore.airflow import listener
from mlcore.airflow.send_alerts import SILENT, handle
from mlcore.alerts.outbox import Outbox
from mlcore.config.settings import Settings
from mlcore.core.types import NewExecution
from mlcore.runtime.session import open_session

# Apprise tries the standard library's imghdr first.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")

EVENT = {
    "dag_id": "flight_delays",
    "run_id": "weekly 1",
    "clear_number": 0,
    "message": "task_failure",
    "tasks": [{"task_id": "trainer", "tries": 3}],
    "base_url": "http://127.0.0.1:8080/",
}


@pytest.fixture
def settings(tmp_path, webhook, database_url, pytestconfig):
    """A project whose pipeline alerts the webhook, with a store."""
    text = (pytestconfig.rootpath / "config/pipelines/flight_delays.yaml").read_text()
    (tmp_path / "config/pipelines").mkdir(parents=True)
    alerting = text[: text.index("alerts:")] + f'alerts: {{urls: ["json://127.0.0.1:{webhook.port}/"]}}\n'
    (tmp_path / "config/pipelines/flight_delays.yaml").write_text(alerting)
    return Settings.from_environ({"MLCORE_PROJECT": str(tmp_path), "MLCORE_DATABASE_URL": database_url})


def fail(settings, run, error):
    """An execution of the trainer; with an error it fails, without it goes on running."""
    new = NewExecution(
        component="Trainer", pipeline="flight_delays", run=run, fingerprint=None, origin={"task_id": "trainer"}
    )
    with open_session(settings) as session:
        begun = session.metadata.begin(new, {})
        if error:
            session.metadata.fail(begun.id, error)


def test_the_reason_is_the_error_of_the_newest_execution(settings, webhook):
    """Of several tries the last one's error is told, with the number of tries and the address of the run."""
    fail(settings, "weekly 1", "first")
    fail(settings, "weekly 1", "the label has one class only")
    fail(settings, "weekly 2", "of another run")
    handle(EVENT, settings, {})
    (posted,) = webhook.received
    assert "trainer after 3 tries\nwhy: the label has one class only" in posted["message"]
    assert "http://127.0.0.1:8080/dags/flight_delays/runs/weekly%201" in posted["message"]
    assert "of another run" not in posted["message"]


def test_a_try_that_was_killed_does_not_get_an_earlier_trys_reason(settings, webhook):
    """The newest execution still says RUNNING: nobody knows why, and the alert says that."""
    fail(settings, "weekly 1", "an earlier try's error")
    fail(settings, "weekly 1", None)
    handle(EVENT, settings, {})
    assert SILENT in webhook.received[0]["message"]


def test_the_monitors_runs_are_looked_up_under_their_own_name(settings, webhook):
    """Both DAGs may have a run of one name; the reason is that of the DAG that failed."""
    fail(settings, "weekly 1", "of the retraining run")
    fail(settings, "monitor__weekly 1", "of the monitoring run")
    handle({**EVENT, "dag_id": "flight_delays_monitor"}, settings, {})
    assert "of the monitoring run" in webhook.received[0]["message"]


def test_without_a_database_the_alert_goes_out_and_says_so(settings, webhook):
    """PostgreSQL being down is often the reason itself."""
    handle(EVENT, replace(settings, database_url="postgresql+psycopg2://x@127.0.0.1:1/mlcore"), {})
    assert "metadata database does not answer" in webhook.received[0]["message"]


def test_a_run_that_a_person_marked_failed_says_so(settings, webhook):
    """Without a failed task Airflow's own message is the reason."""
    handle({**EVENT, "tasks": [], "message": "manually set to failed"}, settings, {})
    assert "why: manually set to failed" in webhook.received[0]["message"]


def test_a_pipeline_without_addresses_is_no_error(settings, webhook, caplog):
    """The log says that nobody is told."""
    path = settings.pipelines / "flight_delays.yaml"
    path.write_text(path.read_text().replace("alerts:", "#"))
    handle(EVENT, settings, {})
    assert webhook.received == []
    assert "alerts.urls" in caplog.text


def test_what_a_stopped_scheduler_left_is_sent_when_one_starts(settings, webhook, monkeypatch):
    """Only a scheduler's start sends; the sender is a process of its own."""
    monkeypatch.setenv("MLCORE_PROJECT", str(settings.project))
    monkeypatch.setenv("MLCORE_DATABASE_URL", settings.database_url)
    monkeypatch.delenv("MLCORE_HOME", raising=False)
    Outbox.of(settings).put(dict(EVENT))
    listener.on_starting(component=SimpleNamespace(job_type="TriggererJob"))
    assert not listener._senders
    listener.on_starting(component=SimpleNamespace(job_type="SchedulerJob"))
    (sender,) = listener._senders
    assert sender.wait(60) == 0
    assert len(webhook.received) == 1
    assert not Outbox.of(settings).waiting()


def test_a_storm_of_failures_starts_at_most_two_senders_and_loses_nothing(settings, webhook, monkeypatch):
    """Twenty failed runs at once are twenty alerts by two processes."""
    monkeypatch.setenv("MLCORE_PROJECT", str(settings.project))
    monkeypatch.setenv("MLCORE_DATABASE_URL", settings.database_url)
    monkeypatch.delenv("MLCORE_HOME", raising=False)
    listener._senders.clear()
    for number in range(20):
        Outbox.of(settings).put({**EVENT, "run_id": f"run-{number}"})
        listener.start_sender()
        assert len(listener._senders) <= 2
    deadline = time.monotonic() + 60
    while Outbox.of(settings).waiting() and time.monotonic() < deadline:
        time.sleep(0.1)
    for sender in listener._senders:
        assert sender.wait(60) == 0
    assert len(webhook.received) == 20
