"""What Airflow costs here: a fully cached run against as many tasks that do nothing, and reading the DAG file.

    python benchmarks/airflow.py [--runs 3]

Both DAGs have the same shape and run in turn on one platform that is started for this; every wall time is Airflow's
own, from the run's start to its end. Targets: a ratio of at most 1.3, and under 0.3 CPU seconds beyond
``import airflow.sdk``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import httpx

from mlcore.config.loader import find_pipeline
from mlcore.config.settings import Settings
from mlcore.core.types import ExecutionState
from mlcore.demo.flights import lay_out
from mlcore.platform.control import down, up
from mlcore.platform.credentials import load_credentials
from mlcore.platform.layout import Layout
from mlcore.platform.postgres import ensure_database
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.session import open_session

PROJECT = Path(__file__).resolve().parents[1]
PIPELINE, AS_OF = "flight_delays", "2013-03-11T06:00:00Z"

NOOP_DAG = """
from airflow.sdk import DAG, task

EDGES = {edges!r}

with DAG("noop", schedule=None) as dag:
    tasks = {{}}
    for name, upstream in EDGES.items():

        @task(task_id=name)
        def noop():
            return 0

        tasks[name] = noop()
        for before in upstream:
            tasks[before] >> tasks[name]
"""

PARSE = """
import json, runpy, time
import airflow.sdk
before = time.process_time()
runpy.run_path("dags/flight_delays.py")
print(json.dumps(time.process_time() - before))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="runs of each DAG (default 3)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="mlcore-bench-") as folder:
        project = Path(folder)
        make_project(project)
        parse = min(parse_cpu_seconds(project) for _ in range(3))
        print(f"reading the DAG file: {parse:.3f} CPU s beyond import airflow.sdk (target < 0.3)", flush=True)
        with platform(project) as client:
            first = run(client, PIPELINE, "first")
            print(f"first run, everything computed: {first:.1f} s", flush=True)
            cached, noop = [], []
            for number in range(runs):
                noop.append(run(client, "noop", f"noop-{number}"))
                cached.append(run(client, PIPELINE, f"cached-{number}"))
                computed = not_cached(project, f"cached-{number}")
                if computed:
                    raise SystemExit(f"the run that should be cached computed {computed}: this measures something else")
                print(f"  no-op {noop[-1]:.1f} s   cached {cached[-1]:.1f} s", flush=True)
    ratio = statistics.median(cached) / statistics.median(noop)
    print(f"fully cached run / as many no-op tasks: {ratio:.2f} (target <= 1.3), medians of {runs}")


def make_project(project: Path) -> None:
    """The repository's pipeline, DAG and plugin, the first ten weeks of flights, and the DAG that does nothing."""
    for part in ("dags", "plugins", "config"):
        shutil.copytree(PROJECT / part, project / part, ignore=shutil.ignore_patterns("__pycache__"))
    lay_out(project / "data" / "flights", until=date(2013, 3, 12))
    graph = retraining_graph(find_pipeline(project / "config" / "pipelines", PIPELINE))
    edges = {node.name: list(node.upstream) for node in graph.nodes}
    (project / "dags" / "noop.py").write_text(NOOP_DAG.format(edges=edges))


def parse_cpu_seconds(project: Path) -> float:
    """CPU seconds of one reading of the DAG file in a fresh interpreter, its imports included."""
    environ = {**os.environ, "MLCORE_PROJECT": str(project), "AIRFLOW_HOME": str(project / "airflow")}
    command = [sys.executable, "-c", PARSE]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def platform(project: Path) -> Iterator[httpx.Client]:
    """Airflow over an embedded PostgreSQL, with both DAGs ready to run."""
    settings = Settings.from_environ({"MLCORE_PROJECT": str(project)})
    try:
        state = up(settings, 8080, os.environ, lambda doing: print(f"  {doing}", flush=True)).state
        password = json.loads(load_credentials(Layout.of(settings.home)).password_file.read_text())["admin"]
        with httpx.Client(base_url=state.url, timeout=60, trust_env=False) as client:
            answer = client.post("/auth/token", json={"username": "admin", "password": password})
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            for dag_id in (PIPELINE, "noop"):
                while client.get(f"/api/v2/dags/{dag_id}").status_code != httpx.codes.OK:
                    time.sleep(0.5)
                client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status()
            yield client
    finally:
        down(settings)


def run(client: httpx.Client, dag_id: str, run_id: str) -> float:
    """Wall seconds of one run, as Airflow records them."""
    conf = {"as_of": AS_OF} if dag_id == PIPELINE else {}
    body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
    client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status()
    while True:
        found = client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").json()
        if found["state"] == "success":
            start, end = (datetime.fromisoformat(found[key]) for key in ("start_date", "end_date"))
            return (end - start).total_seconds()
        if found["state"] == "failed":
            tasks = client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
            raise SystemExit(f"{dag_id} {run_id} failed: { ({task['task_id']: task['state'] for task in tasks}) }")
        time.sleep(0.5)


def not_cached(project: Path, run_id: str) -> list[str]:
    """The components of a run that did any work."""
    settings = Settings.from_environ({"MLCORE_PROJECT": str(project)})
    with ensure_database(settings) as url, open_session(replace(settings, database_url=url)) as session:
        executions = session.metadata.executions(PIPELINE, run_id)
    if not executions:
        raise SystemExit(f"no execution of {run_id} is recorded")
    return [one.component for one in executions if one.state is not ExecutionState.CACHED]


if __name__ == "__main__":
    main()
