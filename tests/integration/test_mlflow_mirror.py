"""The mirror in MLflow: a real server, its client, its serving, and our store, from which all of it follows."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from support.mlflow_server import LossyProxy, free_port, mlflow_server, wait_for
from support.project import AS_OF, LATER, Project
from typer.testing import CliRunner, Result

from mlcore.airflow import listener
from mlcore.cli.main import app
from mlcore.config.loader import load_pipeline
from mlcore.core.types import ArtifactType
from mlcore.deployment.requests import build_requests
from mlcore.errors import TrackingError
from mlcore.ingest.examples import read_examples
from mlcore.runtime.interop.mirror import Synced, sync
from mlcore.runtime.interop.mirror_check import check
from mlcore.tracking.server import DEFAULTS, Names, names_of
from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores

ROOT = Path(__file__).parents[2]
_NAMES = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server, as long as this module."""
    before = dict(os.environ)
    os.environ.update(DEFAULTS)
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as uri:
        yield uri
    os.environ.clear()
    os.environ.update(before)


class Mirrored:
    """A project under names of its own on a server."""

    def __init__(self, project: Project, uri: str) -> None:
        self.project = project
        name = f"t{next(_NAMES)}"
        path = project.settings.pipelines / "tiny.yaml"
        where = f"tracking: {{mlflow: {{experiment: {name}, model: {name}}}}}\n"
        path.write_text(path.read_text(encoding="utf-8") + where, encoding="utf-8")
        self.config = load_pipeline(path)
        self.uri = uri

    @property
    def names(self) -> Names:
        found = names_of(self.config, {"MLFLOW_TRACKING_URI": self.uri})
        assert found is not None
        return found

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri, self.uri)

    def sync(self) -> Synced:
        with self.project.session() as session:
            return sync(session, self.config, self.names)

    def mlcore(self, *arguments: str) -> Result:
        """The command line, in this process."""
        environ = {**self.project.environ, "MLFLOW_TRACKING_URI": self.uri}
        return CliRunner().invoke(app, arguments, env=environ)

    def check(self) -> tuple[str, ...]:
        with self.project.session() as session:
            return check(session, self.config, self.names)

    def load(self, alias: str = "champion") -> Any:
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        return mlflow.pyfunc.load_model(f"models:/{self.names.model}@{alias}")

    def rows(self) -> pa.Table:
        """Rows of the evaluation, and the edges that a model is asked before it is pushed."""
        with self.project.session() as session:
            examples = session.metadata.find_artifacts(type=ArtifactType.EXAMPLES, pipeline="tiny")
            read = read_examples([session.artifacts.path(one.uri) for one in examples[:4]], ["colour", "size"])
        return build_requests(read, rows=100)

    def scores(self, rows: pa.Table) -> npt.NDArray[np.float64]:
        """What our champion says."""
        with self.project.session() as session:
            champion = session.registry.champion("tiny")
            assert champion is not None
            (model,) = session.metadata.artifacts([champion.artifact_id])
            return predict_scores(load_model(session.artifacts.path(model.uri)), rows)


def test_both_sides_are_equal_and_stay_so(ran_twice: Project, server: str) -> None:
    """Two runs and versions are written once; what is changed by hand is told, and aliases are set right again."""
    mirrored = Mirrored(ran_twice, server)
    assert mirrored.sync() == Synced(runs=2, versions=2, moves=3)
    assert mirrored.check() == ()
    assert mirrored.sync() == Synced()
    client, name = mirrored.client, mirrored.names.model
    run = client.get_model_version(name, "2").run_id
    client.set_registered_model_alias(name, "champion", "1")
    client.log_param(run, "extra", "1")
    client.log_metric(run, "roc_auc", 1.0)
    told = mirrored.check()
    assert "alias champion names another version" in told
    assert "run later: parameter extra is there, and not ours" in told
    assert any(line.startswith("run later: metric roc_auc is") for line in told), told
    assert len(told) == 3
    assert mirrored.sync().moves == 1
    assert len(mirrored.check()) == 2


def test_a_run_is_tracked_with_all_that_says_something_of_it(ran_twice: Project, server: str) -> None:
    """Parameters, metrics with their intervals, data sets, tags and files are those of the run."""
    mirrored = Mirrored(ran_twice, server)
    mirrored.sync()
    client = mirrored.client
    run = client.get_run(client.get_model_version(mirrored.names.model, "1").run_id)
    assert (run.info.run_name, run.info.status) == ("r", "FINISHED")
    assert run.data.params["model.params.max_iter"] == "10"
    assert run.data.params["train_end"] == "2024-01-05T00:00:00Z"
    metrics = run.data.metrics
    assert metrics["roc_auc.lower"] < metrics["roc_auc"] < metrics["roc_auc.upper"]
    assert metrics["slice/colour:red/rows"] < metrics["rows"] == 480
    assert run.data.tags["mlcore.verdict"] == "blessed"
    contexts = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert json.loads(contexts["training"].profile) == {"spans": 4}
    assert json.loads(contexts["evaluation"].source)["tags"]["mlcore.start"] == "2024-01-05T00:00:00Z"
    assert {one.path for one in client.list_artifacts(run.info.run_id, "evaluator/evaluation")} >= {
        "evaluator/evaluation/evaluation.json",
        "evaluator/evaluation/verdict.json",
    }


def test_what_mlflow_loads_answers_as_our_champion_bit_for_bit(ran_twice: Project, server: str) -> None:
    """By alias, before and after a rollback; unseen and missing values too. The example is of the evaluation."""
    mirrored = Mirrored(ran_twice, server)
    mirrored.sync()
    rows = mirrored.rows()
    before = mirrored.load()
    assert np.array_equal(before.predict(rows.to_pandas()), mirrored.scores(rows))
    assert list(before.input_example.columns) == ["colour", "size"]
    assert len(before.predict(before.input_example)) == len(before.input_example)
    with ran_twice.session() as session:
        session.registry.rollback("tiny", actor="me", reason="test")
        session.registry.set_alias("tiny", "shadow", 2, actor="me", reason="test")
    assert len(mirrored.check()) == 3
    assert mirrored.sync() == Synced(moves=3)
    assert mirrored.check() == ()
    after = mirrored.load().predict(rows.to_pandas())
    assert np.array_equal(after, mirrored.scores(rows))
    assert not np.array_equal(after, before.predict(rows.to_pandas()))


def test_what_mlflow_serves_answers_as_our_champion_bit_for_bit(ran: Project, server: str, tmp_path: Path) -> None:
    """``mlflow models serve`` is asked in JSON, and its numbers have the bits of ours."""
    mirrored = Mirrored(ran, server)
    mirrored.sync()
    rows, port = mirrored.rows(), free_port()
    model = f"models:/{mirrored.names.model}@champion"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    environ = {**os.environ, "MLFLOW_TRACKING_URI": server, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process, tmp_path / "log")
        asked = {"columns": rows.column_names, "data": [list(row.values()) for row in rows.to_pylist()]}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            data=json.dumps({"dataframe_split": asked}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)["predictions"]
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)
    assert np.array_equal(np.array(said), mirrored.scores(rows))


def test_a_mirror_that_is_cut_off_anywhere_is_ended_by_the_next(ran_twice: Project, server: str) -> None:
    """Answers are lost after ever more requests, those that made something among them: nothing is there twice."""
    mirrored = Mirrored(ran_twice, server)
    proxy = LossyProxy(server)
    mirrored.uri = proxy.uri
    cut = 0
    try:
        for allowed in (0, 1, 2, 3, 4, 6, 9, 13, 19, 28, 40, 60, 90):
            proxy.left = allowed
            try:
                mirrored.sync()
            except TrackingError:
                cut += 1
        proxy.left = None
        mirrored.sync()
    finally:
        proxy.stop()
    mirrored.uri = server
    assert cut >= 5
    assert mirrored.check() == ()
    client = mirrored.client
    experiment = client.get_experiment_by_name(mirrored.names.experiment)
    assert len(client.search_runs([experiment.experiment_id])) == 2
    assert [int(one.version) for one in client.search_model_versions(f"name = '{mirrored.names.model}'")] == [2, 1]


def test_a_run_while_the_server_is_away_is_green_and_caught_up_with(ran: Project, server: str) -> None:
    """The run ends well and says once what to do; that done, both sides are equal. No secret is told."""
    mirrored = Mirrored(ran, server)
    os.environ["MLFLOW_TRACKING_URI"] = f"http://me:hunter2@127.0.0.1:{free_port()}"
    try:
        done = ran.cli("run", "tiny", "--at", LATER)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("not in MLflow yet") == 1
    assert "mlcore mlflow sync tiny" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert mirrored.check() == (f"experiment {mirrored.names.experiment} is not there",)
    differs = mirrored.mlcore("mlflow", "sync", "tiny", "--check")
    assert "mlcore mlflow sync" in str(differs.exception)
    assert "2 runs and 2 versions written" in mirrored.mlcore("mlflow", "sync").output
    assert "tiny: equal" in mirrored.mlcore("mlflow", "sync", "tiny", "--check").output


def test_a_model_is_loaded_where_nothing_but_its_requirements_is_installed(
    ran: Project, server: str, tmp_path: Path
) -> None:
    """Not mlcore, not MLflow: the folder brings what it needs of mlcore, and its answers have the same bits."""
    import mlflow

    mirrored = Mirrored(ran, server)
    mirrored.sync()
    mlflow.set_tracking_uri(server)
    folder = Path(
        mlflow.artifacts.download_artifacts(f"models:/{mirrored.names.model}@champion", dst_path=str(tmp_path))
    )
    pinned = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = {name for name, _, _ in (line.partition("==") for line in pinned)} - {"mlflow"}
    (tmp_path / "site").mkdir()
    link_installed(names, tmp_path / "site")
    rows = mirrored.rows()
    rows.to_pandas().to_pickle(tmp_path / "rows.pickle")
    code = (
        "import pandas, mlcore_model, sys; model = mlcore_model._load_pyfunc(sys.argv[1]); "
        "sys.stdout.write(model.predict(pandas.read_pickle(sys.argv[2])).tobytes().hex()); "
        "import mlcore; assert '.zip' in mlcore.__file__, mlcore.__file__"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(folder / "model"), str(tmp_path / "rows.pickle")],
        env={"PYTHONPATH": f"{folder / 'code'}:{tmp_path / 'site'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == mirrored.scores(rows).tobytes().hex()


def link_installed(names: set[str], folder: Path) -> None:
    """A folder to import from with some distributions, and those that they require, and no others."""
    from packaging.requirements import Requirement

    todo, done = sorted(names), set[str]()
    while todo:
        name = todo.pop()
        done.add(name)
        found = distribution(name)
        for top in {
            Path(file).parts[0] for file in found.files or () if Path(file).parts[0] not in ("..", "__pycache__")
        }:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
        required = [Requirement(text) for text in found.requires or ()]
        more = {one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})}
        todo += sorted(more - done - set(todo))


def test_mlflow_run_starts_a_retraining(ran: Project) -> None:
    """What MLflow makes of the MLproject file's entry is a command that runs the pipeline as of a moment."""
    from mlflow.projects.utils import load_project

    entry = load_project(str(ROOT)).get_entry_point("retrain")
    command = entry.compute_command({"pipeline": "tiny", "at": AS_OF}, None)
    program, *arguments = shlex.split(command)
    assert program == "mlcore"
    assert ran.cli(*arguments).returncode == 0
    with ran.session() as session:
        assert len(session.metadata.runs("tiny")) == 2


def test_a_run_of_airflow_is_mirrored_by_a_process_of_its_own(ran: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listener starts it and does not wait, also when aliases were moved; without tracking it starts none."""
    for name, value in {**ran.environ, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    ended = SimpleNamespace(dag_id="tiny", run_id="scheduled__2024-01-10", conf=None)
    moved = SimpleNamespace(dag_id="models_rollback", run_id="manual__1", conf={"pipeline": "tiny"})
    listener.on_dag_run_success(ended, "")
    assert listener._mirrors == {}
    Mirrored(ran, "")
    for run in (ended, moved, ended):
        listener.on_dag_run_success(run, "")
    processes = listener._mirrors.pop(("tiny", "mlflow"))
    assert len(processes) == 2  # one that looks, and one that sees what came while it did
    assert [process.wait(120) for process in processes] == [1, 1]


def test_a_server_that_does_not_answer_is_given_up_after_the_time_allowed(ran: Project) -> None:
    """It takes the connection and says nothing: what is left is put off, with what writes it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirrored = Mirrored(ran, f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        done = mirrored.mlcore("mlflow", "sync", "tiny", "--at-most", "1")
    assert isinstance(done.exception, TrackingError)
    assert "longer than 1 seconds" in done.exception.what
    assert time.monotonic() - started < 9
