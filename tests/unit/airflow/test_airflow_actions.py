"""The registry's actions as DAGs with forms, and the task that asks a person before a push."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import ParamValidationError

from mlcore.airflow.actions import build_registry_dags
from mlcore.airflow.dags import build_dags

ROOT = Path(__file__).parents[3]
ACTIONS = {"promote", "rollback", "pin", "unpin", "approve", "reject", "publish", "gc_dry_run"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one pipeline that asks for approval, and the repository's DAG files."""
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    text = (ROOT / "config/pipelines/flight_delays.yaml").read_text()
    assert "\npush:\n" in text
    asking = text.replace("\npush:\n", "\npush:\n  approval: true\n  approval_timeout: P2D\n", 1)
    for part, content in (
        ("config/pipelines/flight_delays.yaml", asking),
        ("dags/flight_delays.py", (ROOT / "dags/flight_delays.py").read_text()),
        ("dags/registry.py", (ROOT / "dags/registry.py").read_text()),
    ):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).write_text(content)
    return tmp_path


def test_each_action_is_a_dag_with_a_form(project):
    """One DAG an action, never scheduled, never retried, one task each."""
    bag = DagBag(project / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    found = {dag_id: dag for dag_id, dag in bag.dags.items() if dag_id.startswith("models_")}
    assert set(found) == {f"models_{name}" for name in ACTIONS}
    for dag in found.values():
        assert dag.timetable.can_be_scheduled is False
        (task,) = dag.tasks
        assert task.retries == 0


def test_the_form_knows_the_pipelines_and_wants_a_reason(project):
    """A pipeline is chosen from a list, a version is a number, and without a reason nothing is done."""
    dags = build_registry_dags()
    assert set(dags["models_promote"].params) == {"pipeline", "version", "reason", "expect"}
    assert set(dags["models_unpin"].params) == {"pipeline", "reason"}
    assert dags["models_gc_dry_run"].params.dump() == {}
    params = dags["models_promote"].params
    with pytest.raises(ParamValidationError):
        params.validate()
    for key, wrong in (("pipeline", "other"), ("version", 0), ("version", "3"), ("reason", ""), ("expect", -1)):
        with pytest.raises(ParamValidationError):
            params[key] = wrong
    params["pipeline"], params["version"], params["reason"] = "flight_delays", 3, "why"
    assert params.validate()["expect"] is None
    rollback = dags["models_rollback"].params
    rollback["pipeline"], rollback["reason"] = "flight_delays", "why"
    assert rollback.validate()["version"] is None


def test_a_person_is_asked_between_the_last_gate_and_the_push(project):
    """The approval reads what the Pusher reads, times out as the pipeline says, and no answer means no."""
    dag = build_dags("config/pipelines/flight_delays.yaml")["flight_delays"]
    approval, pusher = dag.get_task("approval"), dag.get_task("pusher")
    assert {"evaluator", "infra_validator"} <= approval.upstream_task_ids
    assert approval.downstream_task_ids == {"pusher"}
    assert "infra_validator" in pusher.upstream_task_ids
    assert approval.response_timeout.days == 2
    assert approval.defaults == ["Reject"]
    assert set(approval.reads) >= {"model", "evaluation", "evaluation_blessing", "infra_blessing"}


def test_reading_the_file_imports_nothing_heavy(project):
    """Nor does the approval's operator, which the retraining DAG has."""
    heavy = ("apache_beam", "sklearn", "pandas", "evidently", "scipy", "skops", "pyarrow", "numpy", "mlflow")
    program = (
        "import runpy, sys, json; import airflow.sdk; before = set(sys.modules);"
        "runpy.run_path('dags/flight_delays.py'); runpy.run_path('dags/registry.py');"
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules and m not in before]))"
    )
    environ = {**os.environ, "MLCORE_PROJECT": str(project)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.strip().splitlines()[-1]) == []
