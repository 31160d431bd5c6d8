"""One pipeline file gives its DAGs, cheaply and the same at every reading."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import ParamValidationError

from mlcore.airflow.dags import build_dags
from mlcore.errors import ConfigError
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph

ROOT = Path(__file__).parents[3]
NODES = (
    "example_gen",
    "statistics_gen",
    "schema_gen",
    "example_validator",
    "transform_analyzer",
    "transform",
    "trainer",
    "evaluator",
    "infra_validator",
    "pusher",
)


@pytest.fixture
def dags(monkeypatch):
    monkeypatch.setenv("MLCORE_PROJECT", str(ROOT))
    return build_dags("config/pipelines/flight_delays.yaml")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of its own with a copy of the pipeline and its DAG file."""
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    for part in ("config/pipelines/flight_delays.yaml", "dags/flight_delays.py"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).write_text((ROOT / part).read_text())
    return tmp_path


def test_there_is_one_task_a_component_in_the_order_of_the_graph(dags):
    """The DAGs hold the graphs' nodes with the graphs' dependencies, and the monitor ends in retrain."""
    dag = dags["flight_delays"]
    assert tuple(dag.task_dict) == NODES
    config = dag.get_task("trainer").config
    graphs = {"flight_delays": retraining_graph(config), "flight_delays_monitor": monitoring_graph(config)}
    for dag_id, graph in graphs.items():
        for node in graph.nodes:
            assert dags[dag_id].get_task(node.name).upstream_task_ids == set(node.upstream), node.name
    assert dags["flight_delays_monitor"].get_task("retrain").upstream_task_ids == {"drift_monitor"}


def test_the_dags_are_scheduled_retried_and_described(dags):
    """Intervals of the pipeline's schedule, no catchup, exponential back-off, an owner and a doc with addresses."""
    for dag in dags.values():
        assert not dag.catchup
        assert dag.timetable.serialize()["until"] == "2013-12-31"
        assert "flights-ml" in dag.doc_md
        for task in dag.tasks:
            assert task.retries == 2
            assert task.retry_exponential_backoff
            assert task.owner == "flights-ml"
    assert dags["flight_delays"].timetable.serialize()["expression"] == "0 6 * * MON"
    assert "Will a flight out of New York arrive" in dags["flight_delays"].doc_md


def test_task_arguments_can_be_replaced(monkeypatch):
    """A team's pool and retries win over the defaults."""
    monkeypatch.setenv("MLCORE_PROJECT", str(ROOT))
    dags = build_dags("config/pipelines/flight_delays.yaml", task_defaults={"retries": 0, "pool": "big"})
    assert {(task.retries, task.pool) for dag in dags.values() for task in dag.tasks} == {(0, "big")}


def test_the_form_takes_what_a_run_understands(dags):
    """Empty, a moment, durations and a forced push with a reason pass the form's checks."""
    params = dags["flight_delays"].params
    assert params.validate()["as_of"] is None
    for key, value in (
        ("as_of", "2013-03-11T06:00:00Z"),
        ("train", "P30D"),
        ("eval", "PT12H"),
        ("force_push", True),
        ("reason", "why"),
        ("report", 7),
    ):
        params[key] = value
    assert params.validate()["train"] == "P30D"


@pytest.mark.parametrize(
    ("key", "value"),
    [("as_of", "yesterday"), ("train", "60 days"), ("force_push", "yes"), ("reason", "x" * 501), ("report", "7")],
)
def test_the_form_refuses_what_a_run_would_not_understand(dags, key, value):
    """Wrong values never become a run."""
    params = dags["flight_delays"].params
    with pytest.raises(ParamValidationError):
        params[key] = value


def test_the_serialized_dags_do_not_vary_between_readings(project):
    """Two processes read the same DAGs bit for bit: no new DAG version without a change."""
    program = (
        "import json; from mlcore.airflow.dags import build_dags;"
        "from mlcore.airflow.plugin import MlcorePlugin;"
        "from airflow import plugins_manager;"
        "plugins_manager.get_timetables_plugins().update("
        "{f'{t.__module__}.{t.__qualname__}': t for t in MlcorePlugin.timetables});"
        "from airflow.serialization.serialized_objects import DagSerialization;"
        "dags = build_dags('config/pipelines/flight_delays.yaml');"
        "print(json.dumps({k: DagSerialization.to_dict(d) for k, d in dags.items()}, sort_keys=True))"
    )
    readings = {_fresh(program, project, {"PYTHONHASHSEED": seed}) for seed in ("1", "2")}
    assert len(readings) == 1
    (reading,) = readings
    assert json.loads(reading)["flight_delays"]["dag"]["timetable"]["__type"] == (
        "mlcore.airflow.timetable.PipelineTimetable"
    )


def test_reading_a_dag_file_imports_nothing_heavy(project):
    """Beam, scikit-learn, pandas, evidently and their like stay out of the dag processor."""
    heavy = ("apache_beam", "sklearn", "pandas", "evidently", "scipy", "skops", "pyarrow", "numpy", "mlflow")
    program = (
        "import runpy, sys, json; import airflow.sdk; before = set(sys.modules);"
        "runpy.run_path('dags/flight_delays.py');"
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules and m not in before]))"
    )
    assert json.loads(_fresh(program, project)) == []


def test_the_plugin_imports_nothing_heavy_either(project):
    """Every Airflow process loads plugins, each task too."""
    heavy = ("apache_beam", "sklearn", "pandas", "evidently", "fastapi", "apprise", "mlcore.airflow.pages")
    program = (
        "import sys, json; import airflow.sdk, airflow.plugins_manager; before = set(sys.modules);"
        "import mlcore.airflow.plugin;"
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules and m not in before]))"
    )
    assert json.loads(_fresh(program, project)) == []


def test_a_bad_pipeline_file_is_an_import_error_of_its_own_dag_only(project):
    """The error names the file, the key and what is allowed; the DAGs of the other files are there."""
    good = (project / "config/pipelines/flight_delays.yaml").read_text()
    bad = good.replace("name: flight_delays", "name: broken").replace("schedule:", "shedule:", 1)
    (project / "config/pipelines/broken.yaml").write_text(bad)
    (project / "dags/broken.py").write_text(
        (project / "dags/flight_delays.py").read_text().replace("flight_delays", "broken")
    )
    bag = DagBag(project / "dags", bundle_name="dags-folder")
    assert set(bag.dags) == {"flight_delays", "flight_delays_monitor"}
    ((file, message),) = bag.import_errors.items()
    assert file.endswith("broken.py")
    assert "shedule" in message
    assert "schedule" in message
    assert "broken.yaml" in message


def test_a_missing_pipeline_file_is_a_config_error(monkeypatch, tmp_path):
    """The path that was looked for is named."""
    monkeypatch.setenv("MLCORE_PROJECT", str(tmp_path))
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        build_dags("config/pipelines/nothing.yaml")


def test_a_pipeline_that_is_not_monitored_has_one_dag(project):
    """Without a monitor block there is nothing to monitor."""
    path = project / "config/pipelines/flight_delays.yaml"
    text = path.read_text()
    start, end = text.index("monitor:"), text.index("alerts:")
    path.write_text(text[:start] + text[end:])
    assert list(build_dags("config/pipelines/flight_delays.yaml")) == ["flight_delays"]


def test_a_pipeline_with_an_inference_block_has_a_dag_that_predicts(project):
    """Its tasks are the graph's, its schedule and form are its own, and its page says where predictions go."""
    path = project / "config/pipelines/flight_delays.yaml"
    block = (
        'inference:\n  schedule: "30 5 * * *"\n  window: P2D\n'
        '  destinations: [{type: parquet, path: "out/{YYYY}{MM}{DD}.parquet"}]\n\nalerts:'
    )
    path.write_text(path.read_text().replace("alerts:", block))
    dag = build_dags("config/pipelines/flight_delays.yaml")["flight_delays_inference"]
    waits = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    assert waits == {
        "example_gen": set(),
        "bulk_inferrer": {"example_gen"},
        "predictions_pusher": {"bulk_inferrer"},
    }
    assert dag.timetable.serialize()["expression"] == "30 5 * * *"
    assert list(dag.params) == ["as_of"]
    assert "newest 2 days" in dag.doc_md
    assert "the files out/{YYYY}{MM}{DD}.parquet" in dag.doc_md


def test_each_of_several_models_has_tasks_that_run_side_by_side(project):
    """No task of one candidate waits for another's; what follows waits for the choice alone."""
    path = project / "config/pipelines/flight_delays.yaml"
    text = path.read_text()
    start, end = text.index("model:"), text.index("evaluation:")
    models = "models:\n  one: {estimator: a.B}\n  two: {estimator: a.C, features: [distance]}\n\n"
    path.write_text(text[:start] + models + text[end:])
    dag = build_dags("config/pipelines/flight_delays.yaml")["flight_delays"]
    waits = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    assert not any("two" in upstream for name in ("trainer_one", "backtest_one") for upstream in waits[name])
    assert {"trainer_one", "backtest_one", "trainer_two", "backtest_two"} < waits["model_selector"]
    assert not any("trainer" in upstream for upstream in waits["evaluator"] | waits["pusher"])
    assert "one `a.B`, two `a.C`" in dag.doc_md


def _fresh(program, project, extra=None):
    """Output of a program in a fresh interpreter."""
    environ = {**os.environ, "MLCORE_PROJECT": str(project), **(extra or {})}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]
