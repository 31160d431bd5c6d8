"""One real platform for all end-to-end tests: Airflow's processes over an embedded PostgreSQL, in a fresh folder."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlcore.config.settings import Settings
from mlcore.platform.control import down, up
from mlcore.platform.credentials import load_credentials
from mlcore.platform.environment import Ports, airflow_environment, over
from mlcore.platform.layout import Layout

# The platform outlives the handle of the process that was started for it.
IGNORE_DETACHED = pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen.__del__")

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A running platform, its HTTP client (logged in as admin), and what its alerts reached."""

    settings: Settings
    client: httpx.Client
    token: str
    environment: dict[str, str]
    mail: list[Any]
    webhook: list[Any]

    def wait_for_dag(self, dag_id, seconds=60):
        """Until the dag processor has brought the DAG to the database; then let it run."""
        until(lambda: self.client.get(f"/api/v2/dags/{dag_id}").status_code == 200, seconds, f"DAG {dag_id}")
        self.client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag_id, run_id, **conf):
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        answer = self.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.status_code == 200, answer.text

    def run_state(self, dag_id, run_id):
        answer = self.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")
        return answer.json()["state"] if answer.status_code == 200 else None

    def finished(self, dag_id, run_id, seconds):
        """The run's final state."""
        until(lambda: self.run_state(dag_id, run_id) in ("success", "failed"), seconds, f"{dag_id} {run_id}")
        return self.run_state(dag_id, run_id)

    def tasks(self, dag_id, run_id):
        """State of the run's tasks."""
        found = self.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def until(self, condition, seconds, what):
        until(condition, seconds, what)


def until(condition, seconds, what):
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.3)
    pytest.fail(f"{what} did not come within {seconds} s")


def make_project(folder, *, smtp_port, hook_port):
    """A project as a user has it: this repository's plugin, pipelines that are variations of flight_delays."""
    for name in ("config/pipelines", "dags", "plugins"):
        (folder / name).mkdir(parents=True)
    shutil.copy(ROOT / "plugins" / "mlcore_plugin.py", folder / "plugins")
    shutil.copytree(Path(__file__).parent / "dags", folder / "dags", dirs_exist_ok=True)
    urls = [
        f"mailto://127.0.0.1:{smtp_port}?from=mlcore@example.org&to=team@example.org",
        f"json://127.0.0.1:{hook_port}/${{TEST_HOOK_TOKEN}}",
    ]
    for file in ("flight_delays.py", "registry.py"):
        shutil.copy(ROOT / "dags" / file, folder / "dags")
    flights = (ROOT / "config" / "pipelines" / "flight_delays.yaml").read_text()
    small = (Path(__file__).parent / "small.yaml").read_text()
    pipelines = {
        "flight_delays": flights,
        "killed": flights.replace("name: flight_delays", "name: killed", 1),
        "small": small,
        "backfilled": small.replace("name: small", "name: backfilled", 1),
        "approved": small.replace("name: small", "name: approved", 1).replace("push:", "push:\n  approval: true", 1),
    }
    for name, text in pipelines.items():
        alerting = re.sub(r"^alerts:.*$", f"alerts: {{urls: {json.dumps(urls)}}}", text, flags=re.MULTILINE)
        (folder / "config" / "pipelines" / f"{name}.yaml").write_text(alerting)
    write_days(folder / "data", date(2013, 1, 1), 18)


def write_days(folder, first, count):
    """Daily files of flights of which one carrier is late more often, and long flights a little."""
    folder.mkdir()
    for day in (first + timedelta(days=number) for number in range(count)):
        chance = random.Random(day.isoformat())
        lines = ["time_hour,carrier,flight,distance,arr_delay"]
        for flight in range(400):
            carrier, distance = chance.choice(["UA", "AA", "WN"]), chance.uniform(100, 3000)
            delay = chance.gauss(20 if carrier == "WN" else 0, 15) + distance / 300
            lines.append(f"{day}T{flight % 24:02}:00:00Z,{carrier},{flight},{distance:.0f},{delay:.0f}")
        (folder / f"{day}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="package")
def platform(tmp_path_factory, session_mail_server, session_webhook):
    """Airflow, up; stopped without a trace after the last test that uses it: idle, it still takes a third of a core."""
    project = tmp_path_factory.mktemp("project")
    make_project(project, smtp_port=session_mail_server.port, hook_port=session_webhook.port)
    settings = Settings.from_environ({"MLCORE_PROJECT": str(project)})
    ambient = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("MLCORE_", "AIRFLOW"))},
        "TEST_HOOK_TOKEN": "t0ken",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
    }
    try:
        state = up(settings, _free_port(), ambient).state
        layout = Layout.of(settings.home)
        secrets = load_credentials(layout)
        environment = over(ambient, airflow_environment(settings, Ports(api=state.port), secrets))
        password = json.loads(secrets.password_file.read_text())["admin"]
        with httpx.Client(base_url=state.url, timeout=60, trust_env=False) as client:
            token = client.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Platform(
                settings=replace(settings, database_url=environment["MLCORE_DATABASE_URL"]),
                client=client,
                token=token,
                environment=environment,
                mail=session_mail_server.messages,
                webhook=session_webhook.received,
            )
    finally:
        down(settings)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def pytest_collection_modifyitems(items):
    """Every test here may be the one at whose start the platform comes up."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(IGNORE_DETACHED)
