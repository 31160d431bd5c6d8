"""Runs the services of docker-compose.yml without containers: same commands, environment, checks and order."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mlcore.platform.processes import end, in_session

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:[?-])(?P<rest>[^}]*))?\})")


class MissingVariable(Exception):
    """A variable that the file requires is not set."""


def load(text: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The file as Compose reads it: anchors and merge keys resolved, variables replaced."""

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return "$"
        if given := variables.get(name):
            return given
        if found["kind"] == ":?":
            raise MissingVariable(name)
        return found["rest"] or ""

    def replaced(node: Any) -> Any:
        if isinstance(node, str):
            return _VARIABLE.sub(value, node)
        if isinstance(node, dict):
            return {key: replaced(item) for key, item in node.items()}
        return [replaced(item) for item in node] if isinstance(node, list) else node

    return replaced(yaml.safe_load(text))


def start_order(services: Mapping[str, Any]) -> list[str]:
    """The services, each after those it depends on."""
    ordered: list[str] = []

    def add(name: str) -> None:
        for needed in services[name].get("depends_on", {}):
            add(needed)
        if name not in ordered:
            ordered.append(name)

    for name in services:
        add(name)
    return ordered


@dataclass
class Machine:
    """One machine that plays all containers.

    Args:
        folder: For everything that is written.
        paths: Folders of the containers, and what stands for them here.
        ports: Ports of the containers, and what stands for them here.
        programs: Folders that come first in PATH.
    """

    folder: Path
    paths: Mapping[str, Path]
    ports: Mapping[int, int]
    programs: list[Path]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def native(self, text: str) -> str:
        """Host names, ports and folders of the containers as they are here."""
        for inside, here in self.ports.items():
            text = re.sub(rf"(?:\b[\w-]+|0\.0\.0\.0):{inside}\b", f"127.0.0.1:{here}", text)
            text = re.sub(rf"(?<![\w.:]){inside}(?![\w.:])", str(here), text)
        for inside, here in self.paths.items():
            text = re.sub(rf"{re.escape(inside)}(?=/|$|\")", str(here), text)
        return "127.0.0.1" if text == "0.0.0.0" else text

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        """What the service's processes get, and nothing else of ours."""
        own = {name: self.native(str(value)) for name, value in service.get("environment", {}).items()}
        base = {
            "PATH": os.pathsep.join([*map(str, self.programs), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.folder),
            "HOSTNAME": socket.gethostname(),
            "NO_PROXY": "127.0.0.1,localhost",
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
        }
        return {**base, **own}

    def start(self, name: str, service: Mapping[str, Any], extra: tuple[str, ...] = ()) -> None:
        """Starts the service's command in a session of its own."""
        command = [self.native(word) for word in service["command"]] + list(extra)
        self.spawn(name, command, self.environment(service))

    def spawn(self, name: str, command: list[str], environment: Mapping[str, str], **how: Any) -> None:
        """Starts a process whose output is kept in a log of that name."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                ["/usr/bin/env", *command],  # finds the program in the new PATH
                env=dict(environment),
                cwd=how.pop("cwd", self.paths["/opt/mlcore"]),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **how,
            )

    def check(self, name: str, service: Mapping[str, Any]) -> bool:
        """One health check, as the file describes it."""
        kind, *rest = service["healthcheck"]["test"]
        words = ["sh", "-c", *rest] if kind == "CMD-SHELL" else rest
        done = subprocess.run(
            ["/usr/bin/env", *(self.native(word) for word in words)],
            env=self.environment(service),
            capture_output=True,
            timeout=60,
            check=False,
        )
        with (self.folder / f"{name}.check.log").open("ab") as log:
            log.write(shlex.join(words).encode() + b"\n" + done.stdout[-2000:] + done.stderr[-2000:])
        return done.returncode == 0

    def wait_healthy(self, name: str, service: Mapping[str, Any], seconds: float) -> None:
        """Until the health check passes."""
        deadline = time.monotonic() + seconds
        while not self.check(name, service):
            code = self.running[name].poll()
            assert code is None, f"{name} ended with {code}:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy after {seconds} s:\n{self.log(name)}"
            time.sleep(0.3)

    def wait_done(self, name: str, seconds: float) -> None:
        """Until a service that is to end has ended well."""
        code = self.running[name].wait(seconds)
        assert code == 0, f"{name} ended with {code}:\n{self.log(name)}"

    def log(self, name: str) -> str:
        """The end of what the service said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def stop(self) -> list[int]:
        """Ends every process of every service; returns the ids of those that did not end."""
        for name in reversed(self.running):
            mine = in_session(self.running[name].pid)
            first = signal.SIGINT if name == "postgres" else signal.SIGTERM
            end(mine, grace_seconds=5 if name in ("postgres", "redis") else 0, first=first)
        for process in self.running.values():
            process.wait(10)
        return [left.pid for process in self.running.values() for left in in_session(process.pid)]


def redis_client(folder: Path) -> None:
    """``redis-cli -p PORT ping``, which the wheel with the server does not bring."""
    script = f"""#!{sys.executable}
import os, sys, redis
answer = redis.Redis(port=int(sys.argv[sys.argv.index("-p") + 1]), password=os.environ["REDISCLI_AUTH"]).ping()
print("PONG" if answer else answer)
"""
    (folder / "redis-cli").write_text(script)
    (folder / "redis-cli").chmod(0o755)
