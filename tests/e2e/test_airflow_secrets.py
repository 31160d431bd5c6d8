"""Secrets are where a user gave them, and nowhere else: looked for in all that Airflow and mlcore hold and show."""

import re

import pytest
from sqlalchemy import make_url
from support.planted import files, rows

from mlcore.core.types import ArtifactType
from mlcore.platform.databases import airflow_url
from mlcore.runtime.session import open_session

MONITOR = "scored_monitor"
PARTS = {"map_index": "-1", "xcom_key": "return_value", "version_number": "1"} | dict.fromkeys(
    ("try_number", "task_try_number"), "1"
)
UI = ("config", "grid/structure/{dag_id}", "grid/runs/{dag_id}", "dags/{dag_id}/latest_run", "structure/structure_data")


@pytest.fixture(scope="module")
def told(platform, scored):
    """A monitor's run, a run whose source quotes its address, a form that quotes a destination's, and their alerts."""
    for dag_id in (MONITOR, "scored_inference", "guarded", "models_publish"):
        platform.wait_for_dag(dag_id)
    platform.trigger(MONITOR, "looked", as_of=f"{scored.second}T07:00:00Z")
    platform.trigger("guarded", "refused", as_of="2013-01-11T06:00:00Z")
    platform.trigger("models_publish", "behind", pipeline="scored", reason="once more")
    for dag_id, run, state in (
        ("guarded", "refused", "failed"),
        ("models_publish", "behind", "failed"),
        (MONITOR, "looked", "success"),
    ):
        assert platform.finished(dag_id, run, 400) == state, platform.tasks(dag_id, run)
    scheduled = platform.scheduled("scored_inference", 300)
    platform.until(lambda: len({one["title"].split()[0] for one in alerts(platform)}) == 2, 120, "both kinds of alerts")
    for name in ("the token of MLflow", "the key of the lineage endpoint"):
        platform.until(lambda name=name: platform.planted(name) in "".join(platform.echo.asked), 120, name)
    return (
        ("scored", "first", "pusher"), (MONITOR, "looked", "drift_monitor"),
        ("scored_inference", scheduled, "predictions_pusher"), ("guarded", "refused", "example_gen"),
        ("models_publish", "behind", "publish"),
    )  # fmt: skip


def alerts(platform):
    """What was posted of the run that failed, and of the destination that could not be reached."""
    return [one for one in platform.webhook if one["title"].startswith(("guarded failed", "scored is ahead"))]


def log_of(platform, dag_id, run, task):
    """A task's log, as the page shows it."""
    return platform.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/{task}/logs/1").text


def test_what_was_planted_was_used_and_what_failed_is_told_without_it(platform, told):
    """The search below would find something: libraries quoted secrets, and errors are otherwise as they were."""
    assert platform.planted("the password of the mail server").encode() in platform.mail_passwords
    assert any(platform.planted("the token of the webhook") in path for path in platform.webhook_paths)
    said = "".join(platform.echo.asked)
    for name in ("the token of MLflow", "the key of the lineage endpoint", "the key that a destination reads itself"):
        assert platform.planted(name) in said
    refused = log_of(platform, "guarded", "refused", "example_gen")
    assert "403" in refused
    assert ".csv?token=***" in refused
    behind = log_of(platform, "models_publish", "behind", "publish")
    assert "/hooks/***" in behind
    assert any("****" in one["message"] for one in alerts(platform))


def test_no_row_of_either_database_holds_a_secret(platform, told):
    """Every row of every table: executions, history, XCom, serialized DAGs, rendered fields, audit log, jobs."""
    database = platform.settings.database_url
    for url in (database, airflow_url(database)):
        found = [row[:300] for row in rows(url) if platform.planted.found_in(row)]
        assert not found, make_url(url).database


def test_no_file_holds_a_secret_but_those_of_the_folder_for_them(platform, told, tmp_path_factory):
    """Logs of tasks, services and PostgreSQL, artifacts, reports, lineage events, caches, alerts, DAG files."""
    own = platform.settings.home / "secrets"
    signed = platform.settings.pipelines / "guarded.yaml"  # where its user wrote a token
    servers = tmp_path_factory.getbasetemp().glob("home*/logs")
    folders = (platform.settings.project, platform.settings.home, *servers)
    looked = 0
    for path, content in files(*folders):
        looked += 1
        assert path == signed or path.is_relative_to(own) or not platform.planted.found_in(content), path
    assert looked > 100
    with open_session(platform.settings) as session:
        assert session.metadata.find_artifacts(type=ArtifactType.DRIFT_REPORT, pipeline="scored")
    assert (platform.settings.home / "lineage" / "events.jsonl").stat().st_size


def test_no_answer_of_the_api_and_no_page_holds_a_secret(platform, told):
    """Every GET that can be asked about these DAGs, runs and tasks, and mlcore's own pages."""
    answered = {}
    for path in sorted(set(addresses(platform, told))):
        answer = platform.client.get(path)
        answered[path] = answer.status_code
        assert not platform.planted.found_in(answer.content), path
    shown = [path for path, status in answered.items() if status == 200]
    for part in ("/logs/1", "/xcomEntries/return_value", "/dagSources/", "/details", "/eventLogs", "/mlcore/"):
        assert any(part in path for path in shown), part
    assert len(shown) > 100


def addresses(platform, told):
    """Paths of Airflow's API and of our pages about runs."""
    known = [path for path, methods in platform.client.get("/openapi.json").json()["paths"].items() if "get" in methods]
    known += [f"/ui/{path}" for path in UI]
    known += ["/mlcore/reports", "/mlcore/dags/{dag_id}/reports", "/mlcore/dags/{dag_id}/runs/{dag_run_id}/reports"]
    for dag_id, run, task in told:
        values = {**PARTS, "dag_id": dag_id, "dag_run_id": run, "run_id": run, "task_id": task}
        for path in known:
            if set(re.findall(r"\{(\w+)\}", path)) <= set(values) and not path.endswith(("/wait", "/logout")):
                yield path.format(**values)


def test_no_alert_holds_a_secret(platform, told):
    """Neither the mail nor what was posted, headers and all."""
    for message in platform.webhook:
        assert not platform.planted.found_in(str(message)), message["title"]
    for message in platform.mail:
        assert not platform.planted.found_in(message.as_bytes()), message["Subject"]


def test_no_command_line_holds_a_secret(platform, told):
    """Everybody on a machine may read those of all its processes."""
    seen = tuple(platform.commands)  # more are being added
    assert any("airflow" in command for command in seen)
    assert not [command[:200] for command in seen if platform.planted.found_in(command)]
