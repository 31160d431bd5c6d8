"""The platform as its user starts it. One `up` serves most tests; those that kill come last, in the file's order."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import mlcore
from mlcore.platform.keeper import KeeperState
from mlcore.platform.layout import Layout
from mlcore.platform.processes import HOME_MARKER, KEEPER_MARKER, ProcessId, belonging_to, inside, wait_gone
from mlcore.platform.state import PlatformState
from mlcore.platform.status import report

NOTICED_SECONDS = 5.0
DAG = """
from airflow.sdk import dag, task

@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def noop():
    @task
    def hello() -> str:
        import os, sys
        return f"{os.environ['MLCORE_HOME']} {'sklearn.ensemble' in sys.modules}"
    hello()

noop()
"""

SERVER = """
import sys
from pathlib import Path
from mlcore.config.settings import Settings
from mlcore.platform.postgres import ensure_database
home = Path(sys.argv[1])
with ensure_database(Settings(project=home, home=home, artifacts="a")) as url:
    print(url, flush=True)
    sys.stdin.readline()
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A project of its own, and mlcore's command line on it."""

    project: Path
    become: str = ""

    @property
    def layout(self) -> Layout:
        return Layout.of(self.project / ".mlcore")

    def environ(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLCORE_", "PYTHON"))}
        packages = os.pathsep.join([str(Path(mlcore.__file__).parents[1]), sysconfig.get_path("purelib")])
        return inherited | {"MLCORE_PROJECT": str(self.project)} | ({"PYTHONPATH": packages} if self.become else {})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), env=self.environ(), capture_output=True, text=True, check=False)

    def command(self, *arguments: str) -> list[str]:
        return self.command_of("-m", "mlcore.cli.main", *arguments)

    def command_of(self, *arguments: str | Path) -> list[str]:
        """A command of Python's; for another user, by an interpreter that this user may execute."""
        words = [str(word) for word in arguments]
        if not self.become:
            return [sys.executable, *words]
        prefix = [
            "setpriv",
            f"--reuid={self.become}",
            "--clear-groups",
            "--inh-caps=-all",
            "--",
            "env",
        ]  # env: setpriv itself may still enter everywhere
        system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        for python in (sys.executable, system):
            if not subprocess.run([*prefix, python, "-c", ""], capture_output=True, check=False).returncode:
                return [*prefix, python, *words]
        pytest.skip("another user can execute no interpreter of this version")

    def status(self) -> dict[str, Any]:
        """What `mlcore status --json` prints, without the cost of a process."""
        found = report(self.layout).to_dict()
        return {**found, "services": {item["name"]: item for item in found["services"]}}

    def healthy(self) -> bool:
        return bool(self.status()["verdict"] == "healthy")

    def state(self) -> PlatformState:
        found = PlatformState.read(self.layout)
        assert found is not None
        return found

    def processes(self) -> list[ProcessId]:
        """Everything that carries one of this home's markers or works in its database, found the long way."""
        found = []
        for process in psutil.process_iter():
            try:
                environ, cwd = process.environ(), process.cwd()
            except psutil.Error:
                continue
            home = str(self.layout.home)
            if home in (environ.get(HOME_MARKER), environ.get(KEEPER_MARKER)) or cwd.startswith(f"{home}/"):
                found.append(ProcessId.of(process.pid))
        return [process for process in found if process]

    def api(self, path: str, token: str | None = None, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self.state().url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def token(self) -> str:
        password = json.loads((self.layout.secrets / "passwords.json").read_text())["admin"]
        return str(self.api("/auth/token", body={"username": "admin", "password": password})[1]["access_token"])


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """What the condition finds; a question that a busy server left unanswered is asked again."""
    deadline, found = time.monotonic() + seconds, None
    while not found:
        with suppress(TimeoutError):
            found = condition()
        assert found or time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    project = tmp_path_factory.mktemp("project")
    (project / "dags").mkdir()
    (project / "dags" / "noop.py").write_text(DAG)
    (project / "dags" / "broken.py").write_text("from airflow.sdk import dag\nraise ValueError('a broken file')\n")
    found = Installation(project=project)
    yield found
    found.run("down")


@pytest.fixture(scope="module")
def up(installation: Installation, taken_port: int) -> subprocess.CompletedProcess[str]:
    """Two `up` at once, on a port that is taken."""
    command = installation.command("up", "--port", str(taken_port))
    other = subprocess.Popen(
        command, env=installation.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = installation.run("up", "--port", str(taken_port))
    out, err = other.communicate()
    assert (first.returncode, other.returncode) == (0, 0), first.stderr + err
    return subprocess.CompletedProcess(command, 0, first.stdout + out, first.stderr + err)


@pytest.fixture
def platform(installation: Installation, up: subprocess.CompletedProcess[str]) -> Installation:
    return installation


def test_two_ups_make_one_platform_on_a_free_port(
    platform: Installation, up: subprocess.CompletedProcess[str], taken_port: int
) -> None:
    """One of two `up` starts the platform, the other says so; both tell the port, not the taken one."""
    assert up.stderr.count("already running") == 1
    assert up.stderr.count(f"port {taken_port} is taken: using {platform.state().port}") == 1
    assert up.stdout.count(platform.state().url) == 2
    supervisors = [p for p in belonging_to(platform.layout.home) if psutil.Process(p.pid).ppid() == 1]
    assert platform.state().supervisor in supervisors
    assert platform.state().port != taken_port


def test_status_is_healthy_for_people_and_programs(platform: Installation) -> None:
    """Every service is there, alive and healthy, and the exit code says so."""
    shown = platform.run("status")
    assert shown.returncode == 0
    assert json.loads(platform.run("status", "--json").stdout)["url"] == platform.state().url
    found = platform.status()
    assert found["verdict"] == "healthy"
    assert set(found["services"]) == {"postgres", "api-server", "scheduler", "dag-processor", "triggerer"}
    for name, service in found["services"].items():
        assert name in shown.stdout
        assert service["health"] == "healthy"
        assert service["restarts"] == 0
        assert service["memory_bytes"] > 1 << 20


def test_platform_listens_on_the_loopback_interface_only(platform: Installation) -> None:
    """No process of the platform can be reached from another machine."""
    listening = set()
    for process in platform.processes():
        with suppress(psutil.NoSuchProcess):  # a short-lived child may end while it is looked at
            connections = psutil.Process(process.pid).net_connections(kind="inet")
            listening |= {found.laddr for found in connections if found.status == psutil.CONN_LISTEN}
    assert {address.port for address in listening} >= {platform.state().port}
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_processes_say_whose_they_are(platform: Installation) -> None:
    """Every service can be told apart by its title, and keeps the marker by which it is found."""
    titles = {" ".join(psutil.Process(p.pid).cmdline()) for p in belonging_to(platform.layout.home)}
    for name in ("scheduler", "dag-processor", "triggerer"):
        assert any(f"airflow {name}" in title for title in titles)


def test_login_needs_the_generated_password(platform: Installation) -> None:
    """Without a token nothing is answered, with a wrong password there is none, with the right one there is."""
    assert platform.api("/api/v2/dags")[0] == 401
    assert platform.api("/auth/token", body={"username": "admin", "password": "admin"})[0] == 401
    assert platform.api("/api/v2/dags", platform.token())[0] == 200


def test_dag_run_executes(platform: Installation) -> None:
    """A run started over the API ends in success; its task knows the home and found the libraries imported."""
    token = platform.token()
    wait_until(lambda: platform.api("/api/v2/dags/noop", token)[0] == 200)
    run = platform.api("/api/v2/dags/noop/dagRuns", token, {"logical_date": None})[1]["dag_run_id"]
    wait_until(lambda: platform.api(f"/api/v2/dags/noop/dagRuns/{run}", token)[1]["state"] in ("success", "failed"))
    path = f"/api/v2/dags/noop/dagRuns/{run}/taskInstances/hello"
    assert platform.api(path, token)[1]["state"] == "success"
    returned = platform.api(f"{path}/xcomEntries/return_value", token)[1]["value"]
    assert returned == f"{platform.layout.home} True"


def test_doctor_reports_a_dag_file_that_cannot_be_imported(platform: Installation) -> None:
    """A broken DAG file is named with its reason, and the exit code says that something is wrong."""
    found = wait_until(lambda: (r := platform.run("doctor")).returncode and r)
    assert "broken.py: ValueError: a broken file" in found.stdout
    assert found.stdout.count("failed") == 1


def test_airflow_command_runs_on_the_platform(platform: Installation) -> None:
    """Airflow's own command line asks the platform's database, and its exit code is passed on."""
    answer = platform.run("airflow", "pools", "get", "no-such-pool")
    assert "no-such-pool" in answer.stdout + answer.stderr
    assert "does not exist" in answer.stdout + answer.stderr
    assert answer.returncode == 1


def test_logs_show_a_service(platform: Installation) -> None:
    """The last lines of one service are shown; a wrong name is answered with the right ones."""
    shown = platform.run("logs", "supervisor", "-n", "1")
    assert len(shown.stdout.splitlines()) == 1
    assert "ready after" in shown.stdout
    wrong = platform.run("logs", "webserver")
    assert wrong.returncode == 1
    assert "scheduler" in wrong.stderr


def test_killed_services_are_noticed_and_started_again(platform: Installation) -> None:
    """After kill -9 of each service its death is reported within 5 s, and all become healthy again."""
    services = {item.name: item.process for item in platform.state().services}
    sessions = {process.pid for process in services.values() if process}
    family = [process for process in belonging_to(platform.layout.home) if _session(process) in sessions]
    for process in services.values():
        assert process is not None
        process.send(signal.SIGKILL)
    wait_until(lambda: all(item.restarts == 1 for item in platform.state().services), NOTICED_SECONDS)
    assert {item.last_exit_code for item in platform.state().services} == {-signal.SIGKILL}
    assert len(family) > len(services)
    assert wait_gone(family, timeout_seconds=5)
    assert platform.run("status").returncode == 1
    wait_until(platform.healthy)
    assert {item.restarts for item in platform.state().services} == {1}


def _session(process: ProcessId) -> int:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return 0


def test_stopped_service_is_alive_yet_unhealthy(platform: Installation) -> None:
    """An api-server that does not answer shows as unhealthy although its process lives."""
    process = next(item.process for item in platform.state().services if item.name == "api-server")
    assert process is not None
    process.send(signal.SIGSTOP)
    try:
        found = wait_until(lambda: (s := platform.status())["services"]["api-server"]["health"] == "unhealthy" and s)
        assert found["verdict"] == "degraded"
        assert found["services"]["api-server"]["pid"] == process.pid
    finally:
        process.send(signal.SIGCONT)
    wait_until(platform.healthy)


def test_killed_postmaster_and_keeper_are_started_again(platform: Installation) -> None:
    """After kill -9 of all of PostgreSQL the platform becomes healthy again by itself."""
    before = KeeperState.read(platform.layout).postmaster
    assert before is not None
    keeper = psutil.Process(before.pid).ppid()
    for pid in (keeper, before.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: KeeperState.read(platform.layout).postmaster not in (None, before))
    wait_until(lambda: platform.status()["services"]["postgres"]["health"] == "healthy")
    assert wait_until(lambda: platform.api("/api/v2/dags", platform.token())[0] == 200)


def test_killed_supervisor_takes_everything_with_it_and_up_recovers(platform: Installation) -> None:
    """After kill -9 of the supervisor nothing goes on running, status says so, `down` cleans, `up` works."""
    processes = platform.processes()
    os.kill(platform.state().supervisor.pid, signal.SIGKILL)
    assert wait_gone(processes, timeout_seconds=15)
    status = platform.run("status")
    assert (status.returncode, "killed" in status.stdout) == (3, True)
    started = platform.run("up", "--port", "18080")
    assert started.returncode == 0, started.stderr
    assert platform.status()["verdict"] == "healthy"


def test_down_leaves_nothing(platform: Installation) -> None:
    """After `down` there is no process, no lock, no socket and no temporary file; a second one has nothing to do."""
    home = platform.layout
    assert home.tmp.exists()
    stopped = platform.run("down")
    assert stopped.returncode == 0, stopped.stderr
    assert not platform.processes()
    assert not inside(home.postgres_data)
    assert sorted(path.name for path in home.home.iterdir()) == ["airflow", "logs", "postgres", "secrets"]
    assert home.transient == home.home or not home.transient.exists()
    assert not (home.postgres_data / "postmaster.pid").exists()
    assert platform.run("status").returncode == 3
    again = platform.run("down")
    assert (again.returncode, "nothing was running" in again.stderr) == (0, True)


@pytest.fixture
def ordinary_project() -> Iterator[Path]:
    """Not below pytest's folder, which only its own user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_ordinary_user_runs_the_platform_in_the_foreground_on_a_given_server(ordinary_project: Path) -> None:
    """A user without privileges starts a database server and the platform on it; SIGTERM stops it without a trace."""
    account = pwd.getpwnam("nobody")
    project = ordinary_project
    os.chown(project, account.pw_uid, account.pw_gid)
    found = Installation(project=project, become=account.pw_name)
    with subprocess.Popen(
        found.command_of("-c", SERVER, project / "server"),
        env=found.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("postgresql")
        with subprocess.Popen(
            found.command("up", "--foreground", "--port", "18180", "--database-url", url), env=found.environ()
        ) as process:
            wait_until(found.healthy, 120)
            assert {psutil.Process(p.pid).uids().effective for p in found.processes()} == {account.pw_uid}
            assert "postgres" not in found.status()["services"]
            process.terminate()
            assert process.wait(30) == 0
        assert not found.processes()
        assert not found.layout.run.exists()
        server.communicate("\n")
