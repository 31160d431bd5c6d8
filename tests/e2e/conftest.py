"""One real platform for all end-to-end tests: Airflow's processes over an embedded PostgreSQL, in a fresh folder."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url
from support.databases import create
from support.planted import Echo, Planted, watched
from support.postgres_source import run as run_sql

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
    """A running platform, its HTTP client (logged in as admin), what its alerts reached, and what it may not tell.

    Attributes:
        planted: The secrets of its environment.
        echo: Refuses, and repeats what it is sent.
        commands: The command lines of this machine's processes since the platform came up.
    """

    settings: Settings
    client: httpx.Client
    token: str
    environment: dict[str, str]
    mail: list[Any]
    mail_passwords: list[bytes]
    webhook: list[Any]
    webhook_paths: list[str]
    planted: Planted
    echo: Echo
    commands: set[str]

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
        """The run's final state; where it has none, its tasks are told."""
        try:
            until(lambda: self.run_state(dag_id, run_id) in ("success", "failed"), seconds, f"{dag_id} {run_id}")
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}: {self.tasks(dag_id, run_id)}")
        return self.run_state(dag_id, run_id)

    def scheduled(self, dag_id, seconds):
        """The id of the run that its schedule starts once the DAG is let run, when that has succeeded."""
        path = f"/api/v2/dags/{dag_id}/dagRuns?run_type=scheduled&order_by=run_after"
        until(lambda: self.client.get(path).json()["total_entries"], seconds, f"a scheduled run of {dag_id}")
        run = self.client.get(path).json()["dag_runs"][0]["dag_run_id"]
        assert self.finished(dag_id, run, seconds) == "success", self.tasks(dag_id, run)
        return run

    def tasks(self, dag_id, run_id):
        """State of the run's tasks."""
        found = self.client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def until(self, condition, seconds, what):
        until(condition, seconds, what)


def until(condition, seconds, what):
    """Poll until a condition holds; that a busy machine does not answer once is no answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.TimeoutException):
            if condition():
                return
        time.sleep(1)
    pytest.fail(f"{what} did not come within {seconds} s")


def make_project(folder, *, smtp_port, hook_port, shop, signed):
    """A project as a user has it: a push destination of its own, pipelines that are variations of flight_delays."""
    here = Path(__file__).parent
    (folder / "config" / "pipelines").mkdir(parents=True)
    for name in ("dags", "plugins"):
        shutil.copytree(here / name, folder / name)
    urls = [
        f"mailto://ml:${{SMTP_PASSWORD}}@127.0.0.1:{smtp_port}?from=mlcore@example.org&to=team@example.org",
        f"json://127.0.0.1:{hook_port}/${{TEST_HOOK_TOKEN}}",
    ]
    for file in ("flight_delays.py", "registry.py"):
        shutil.copy(ROOT / "dags" / file, folder / "dags")
    flights = (ROOT / "config" / "pipelines" / "flight_delays.yaml").read_text()
    small = (here / "small.yaml").read_text()
    pipelines = {
        "flight_delays": flights,
        "killed": flights.replace("name: flight_delays", "name: killed", 1),
        "small": small,
        "backfilled": small.replace("name: small", "name: backfilled", 1),
        "approved": small.replace("name: small", "name: approved", 1).replace("push:", "push:\n  approval: true", 1),
        "scored": scoring(small, shop),
        "guarded": (here / "guarded.yaml").read_text().replace("ECHO/{YYYY}-{MM}-{DD}.csv?token=SIGNED", signed),
    }
    for name, text in pipelines.items():
        alerting = re.sub(r"^alerts:.*$", f"alerts: {{urls: {json.dumps(urls)}}}", text, flags=re.MULTILINE)
        (folder / "config" / "pipelines" / f"{name}.yaml").write_text(alerting)
    write_days(folder / "data", date(2013, 1, 1), 18)


def scoring(small, shop):
    """The small pipeline with rows of a database, predictions every day, and places that follow it; no run is due."""
    changes = {
        "name: small": "name: scored",
        'schedule: "0 6 * * *"': 'schedule: "0 6 1 1 *"',
        'schedule: "0 7 * * *"': 'schedule: "0 7 1 1 *"',
        "start_date: 2013-01-08\nend_date: 2013-01-31\n": f"start_date: {today() - timedelta(days=18)}\n",
        '{type: csv, path: "data/{YYYY}-{MM}-{DD}.csv"}': f'{{type: postgres, url: "{shop}", table: flights}}',
        "max_age: P2D": "max_age: P30D",
        "push:": 'push:\n  destinations: [{type: shelf.Shelf, url: "${SHELF}/hooks/${SHELF_TOKEN}"}]',
    }
    for old, new in changes.items():
        assert old in small
        small = small.replace(old, new, 1)
    return f"""{small}
lineage: {{file: lineage/events.jsonl}}
inference:
  schedule: "0 0 * * *"
  keep: [distance]
  destinations:
    - {{type: postgres, url: "${{WAREHOUSE}}", table: predicted}}
    - {{type: parquet, path: "predicted/{{YYYY}}-{{MM}}-{{DD}}.parquet"}}
"""


def write_days(folder, first, count):
    """Daily files of flights."""
    folder.mkdir()
    for day in (first + timedelta(days=number) for number in range(count)):
        lines = ["time_hour,carrier,flight,distance,arr_delay", *rows_of(day)]
        (folder / f"{day}.csv").write_text("\n".join(lines) + "\n")


def rows_of(day):
    """Flights of which one carrier is late more often, and long flights a little, as lines of CSV."""
    chance = random.Random(day.isoformat())
    for flight in range(400):
        carrier, distance = chance.choice(["UA", "AA", "WN"]), chance.uniform(100, 3000)
        delay = chance.gauss(20 if carrier == "WN" else 0, 15) + distance / 300
        yield f"{day}T{flight % 24:02}:00:00Z,{carrier},{flight},{distance:.0f},{delay:.0f}"


def today():
    """A scheduled run is one of the present."""
    return datetime.now(UTC).date()


def write_shop(url):
    """A database with flights of today and the 18 days before; tomorrow's too, should today end meanwhile."""
    lines = [line for number in range(-18, 2) for line in rows_of(today() + timedelta(days=number))]
    values = ", ".join("('{}', '{}', {}, {}, {})".format(*line.split(",")) for line in lines)
    columns = "time_hour timestamptz, carrier text, flight bigint, distance float8, arr_delay float8"
    run_sql(url, f"CREATE TABLE flights ({columns})", f"INSERT INTO flights VALUES {values}")


def plant(planted, shop, echo):
    """The environment of a user who followed the how-to in all its parts."""
    warehouse = make_url(shop).set(password=planted("the password of the warehouse"), drivername="postgresql")
    return {
        "READER_PASSWORD": planted("the password of the source", "pl@nted/{}%"),
        "WAREHOUSE": warehouse.render_as_string(hide_password=False),
        "AIRFLOW_CONN_SHOP": f"postgres://reader:{planted('the password of a connection')}@127.0.0.1:1/shop",
        "TEST_HOOK_TOKEN": planted("the token of the webhook"),
        "SMTP_PASSWORD": planted("the password of the mail server"),
        "SHELF": echo.url,
        "SHELF_TOKEN": planted("the token in a destination's address"),
        "SHELF_API_KEY": planted("the key that a destination reads itself"),
        "MLFLOW_TRACKING_URI": echo.url,
        "MLFLOW_TRACKING_TOKEN": planted("the token of MLflow"),
        "LINEAGE": f"{echo.url}/{planted('the address of the lineage endpoint')}",
        "LINEAGE_KEY": planted("the key of the lineage endpoint"),
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": planted("the key of the bucket"),
    }


@pytest.fixture(scope="package")
def shop(postgres_url):
    """The address of a database to read from and to write predictions to."""
    url = create(postgres_url, "shop")
    write_shop(url)
    return url


@pytest.fixture(scope="package")
def echo():
    """Who refuses everything, and repeats it."""
    server = Echo()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def platform(tmp_path_factory, postgres_url, session_mail_server, session_webhook, shop, echo):
    """Airflow, up; stopped without a trace after the last test that uses it: idle, it still takes a sixth of a core."""
    project, planted = tmp_path_factory.mktemp("project"), Planted()
    password = planted("the password of the metadata database")
    database = make_url(create(postgres_url, "platform")).set(password=password).render_as_string(hide_password=False)
    source = make_url(shop).set(password="secret", drivername="postgresql").render_as_string(hide_password=False)
    make_project(
        project,
        smtp_port=session_mail_server.port,
        hook_port=session_webhook.port,
        shop=source.replace(":secret@", ":${READER_PASSWORD}@"),
        signed=f"{echo.url}/{{YYYY}}-{{MM}}-{{DD}}.csv?token={planted('the token in the address of a file')}",
    )
    settings = Settings.from_environ({"MLCORE_PROJECT": str(project), "MLCORE_DATABASE_URL": database})
    ambient = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("MLCORE_", "AIRFLOW"))},
        **plant(planted, shop, echo),
    }
    with watched() as commands:
        yield from _running(
            settings,
            ambient,
            mail=session_mail_server.messages,
            mail_passwords=session_mail_server.passwords,
            webhook=session_webhook.received,
            webhook_paths=session_webhook.paths,
            planted=planted,
            echo=echo,
            commands=commands,
        )


def _running(settings, ambient, **rest):
    """The platform, while it is up."""
    planted = rest["planted"]
    try:
        state = up(settings, _free_port(), ambient).state
        layout = Layout.of(settings.home)
        secrets = load_credentials(layout)
        environment = over(ambient, airflow_environment(settings, Ports(api=state.port), secrets))
        password = json.loads(secrets.password_file.read_text())["admin"]
        for name in ("jwt_secret", "fernet_key", "session_secret"):
            planted.add(f"Airflow's {name}", getattr(secrets, name))
        planted.add("the password of the admin", password)
        with httpx.Client(base_url=state.url, timeout=60, trust_env=False) as client:
            token = client.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield Platform(
                settings=replace(settings, database_url=environment["MLCORE_DATABASE_URL"], variables=environment),
                client=client,
                token=token,
                environment=environment,
                **rest,
            )
    finally:
        down(settings)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The pipeline that predicts.

    Attributes:
        first: The day as of whose morning its first champion was trained.
        second: Likewise its second.
    """

    first: date
    second: date


@pytest.fixture(scope="package")
def scored(platform):
    """Two champions: one that was trained under Airflow, and a day's newer one of the command line."""
    found = Scored(first=today() - timedelta(days=4), second=today() - timedelta(days=3))
    platform.wait_for_dag("scored")
    platform.trigger("scored", "first", as_of=f"{found.first}T06:00:00Z")
    assert platform.finished("scored", "first", 600) == "success", platform.tasks("scored", "first")
    done = subprocess.run(
        [sys.executable, "-m", "mlcore.cli.main", "run", "scored", "--at", f"{found.second}T06:00Z"],
        env={**platform.environment, "PYTHONPATH": str(platform.settings.project / "plugins")},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not platform.planted.found_in(done.stdout + done.stderr)
    return found


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def pytest_collection_modifyitems(items):
    """Every test here may be the one at whose start the platform comes up."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(IGNORE_DETACHED)
