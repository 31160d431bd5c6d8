"""A real Flink cluster on this machine: a job manager, two task managers, a pool of Python workers, no Docker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlcore.beam import jars
from mlcore.beam.job_server import free_port
from mlcore.config.beam import Beam
from mlcore.errors import EngineError

PINNED = "flink-1.19"
TASK_MANAGERS = 2
SLOTS = 4
"""Of each task manager: one alone can take over all that the other did."""

_TESTS = Path(__file__).parents[1]
_START_SECONDS = 90.0
_DOWNLOAD_SECONDS = 180.0
_OPENED = ("lang", "lang.invoke", "lang.reflect", "net", "io", "nio", "text", "time", "util", "util.concurrent")
_JVM = (
    "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m",
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED),
    "--add-opens=java.base/java.util.concurrent.atomic=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
)  # fmt: skip


def java_jars(name: str) -> list[Path]:
    """The pinned jars of this name; the test is skipped, and says why, where they or Java cannot be had."""
    found = jars.pinned(name)
    assert found is not None
    if shutil.which("java") is None:
        pytest.skip(f"no Java is installed: {name} was not tested")
    try:
        return jars.fetch(found.jars, jars.default_cache(), deadline_seconds=_DOWNLOAD_SECONDS)
    except EngineError as error:
        pytest.skip(f"the jars of {name} cannot be had, it was not tested: {error.what} ({error.where})")


class FlinkCluster:
    """Three Java processes and a worker pool, all of which end with :meth:`stop`.

    Args:
        folder: Where configuration, logs and scratch files go.
        classpath: Flink's jars; Beam's among them save that every job ships them.
    """

    def __init__(self, folder: Path, classpath: Sequence[Path]) -> None:
        self._folder = folder
        self._classpath = ":".join(map(str, classpath))
        self._rest, self._rpc, self._pool = free_port(), free_port(), free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def master(self) -> str:
        return f"127.0.0.1:{self._rest}"

    def start(self) -> None:
        (self._folder / "config.yaml").write_text(json.dumps(self._configuration()))
        self._java("jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint")
        self._start_pool()
        self.heal()

    def heal(self) -> None:
        """Start again what was killed, and wait until the cluster is whole."""
        for number in range(TASK_MANAGERS):
            name = f"taskmanager-{number}"
            if name not in self._processes or self._processes[name].poll() is not None:
                self._java(name, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner")
        self._wait_for(TASK_MANAGERS)

    def stop(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def engine(self, parallelism: int, **options: Any) -> Beam:
        """The block that runs a job here."""
        given: dict[str, Any] = {
            "flink_master": self.master,
            "parallelism": parallelism,
            "environment_type": "EXTERNAL",
            "environment_config": f"localhost:{self._pool}",
        }
        return Beam(runner="FlinkRunner", options=given | options)

    def task_manager_of(self, worker: int) -> int:
        """The process id of the task manager that a Python worker works for."""
        ours = {name: process.pid for name, process in self._processes.items() if name.startswith("taskmanager")}
        ports = {one.raddr.port for one in psutil.Process(worker).net_connections("tcp") if one.raddr}
        for pid in ours.values():
            listening = {one.laddr.port for one in psutil.Process(pid).net_connections("tcp") if one.status == "LISTEN"}
            if listening & ports:
                return pid
        raise LookupError(f"no task manager talks to {worker}")

    def task_managers(self) -> int:
        """How many the job manager counts on."""
        with urllib.request.urlopen(f"http://{self.master}/overview", timeout=5) as answer:
            return int(json.load(answer)["taskmanagers"])

    def jobs(self) -> list[dict[str, Any]]:
        """What the job manager remembers of the jobs, the oldest first."""
        with urllib.request.urlopen(f"http://{self.master}/jobs/overview", timeout=5) as answer:
            return sorted(json.load(answer)["jobs"], key=lambda job: job["start-time"])

    def log(self) -> str:
        """The last words of every process."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in sorted(self._folder.glob("*.log")))

    def _configuration(self) -> dict[str, Any]:
        return {
            "jobmanager": {
                "rpc": {"address": "127.0.0.1", "port": self._rpc},
                "bind-host": "127.0.0.1",
                "memory": {"process": {"size": "1g"}},
            },
            "rest": {"address": "127.0.0.1", "bind-address": "127.0.0.1", "port": self._rest},
            "taskmanager": {
                "host": "127.0.0.1",
                "bind-host": "127.0.0.1",
                "numberOfTaskSlots": SLOTS,
                "cpu": {"cores": 1.0},
                "memory": {  # Flink's start scripts would compute these
                    "framework": {"heap": {"size": "64m"}, "off-heap": {"size": "64m"}},
                    "task": {"heap": {"size": "256m"}, "off-heap": {"size": "0m"}},
                    "network": {"min": "64m", "max": "64m"},
                    "managed": {"size": "64m"},
                    "jvm-metaspace": {"size": "256m"},
                    "jvm-overhead": {"min": "64m", "max": "64m"},
                },
            },
            "restart-strategy": {"type": "fixed-delay", "fixed-delay": {"attempts": 5, "delay": "500 ms"}},
            "heartbeat": {"interval": 1000, "timeout": 10000},
            "classloader": {"resolve-order": "parent-first"},
            "io": {"tmp": {"dirs": str(self._folder)}},
            "blob": {"storage": {"directory": str(self._folder / "blobs")}},
        }

    def _java(self, name: str, main: str) -> None:
        self._run(
            name,
            [
                "java",
                *_JVM,
                f"-Djava.io.tmpdir={self._folder}",
                "-cp",
                self._classpath,
                main,
                "--configDir",
                str(self._folder),
            ],
        )

    def _start_pool(self) -> None:
        pool = "apache_beam.runners.worker.worker_pool_main"
        self._run("pool", [sys.executable, "-m", pool, f"--service_port={self._pool}"])

    def _run(self, name: str, command: list[str]) -> None:
        # The pool starts `python` as the path finds it, and workers import the functions of these tests.
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(_TESTS),
            "OPENBLAS_NUM_THREADS": "1",
            "TMPDIR": str(self._folder),
        }
        setpriv = shutil.which("setpriv")
        if setpriv:  # when the tests are killed nothing is left behind
            command = [setpriv, "--pdeathsig", "KILL", *command]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def _wait_for(self, task_managers: int) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            if dead:
                raise RuntimeError(f"{dead} ended\n{self.log()}")
            with contextlib.suppress(OSError):
                if self.task_managers() == task_managers and self._pool_answers():
                    return
            time.sleep(0.2)
        raise TimeoutError(self.log())

    def _pool_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("localhost", self._pool)) == 0


@contextlib.contextmanager
def flink_cluster(folder: Path) -> Iterator[FlinkCluster]:
    cluster = FlinkCluster(folder, java_jars(PINNED))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
