"""Faults of a machine, made for real: full disks, read-only folders, servers that are away, hang or refuse."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from support.project import Project

ROWS = [{"colour": colour, "size": size} for colour in ("red", "green", None) for size in (0.1, 0.7, None)]


@dataclass(frozen=True)
class Serving:
    """A champion behind HTTP, whose answers are to stay the same."""

    client: httpx.Client
    before: Mapping[str, object] = field(default_factory=dict)

    def answers(self) -> Mapping[str, object]:
        response = self.client.post("/v1/predict", json={"rows": ROWS})
        assert response.status_code == 200, response.text
        answered: Mapping[str, object] = response.json()
        return answered

    def check(self) -> None:
        """Check that the champion serves as it did, by its number and its bits."""
        assert self.answers() == self.before

    def until_version(self, number: int) -> None:
        """Wait for a swap."""
        for _ in range(300):
            if self.answers()["model_version"] == number:
                return
            time.sleep(0.1)
        raise AssertionError(f"version {number} is not served after half a minute")


@contextmanager
def serving(project: Project, *arguments: str) -> Iterator[Serving]:
    """``mlcore serve`` in a process of its own, asked before and after."""
    port = free_port()
    server = project.start("serve", "tiny", "--port", str(port), *arguments)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            try:
                until_ready(client)
            except AssertionError as error:
                raise AssertionError(server.said("stderr")) from error
            served = Serving(client, Serving(client).answers())
            yield served
            assert served.answers()["predictions"]
    finally:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
        server.wait()


def until_ready(client: httpx.Client) -> None:
    """Wait for a server that is starting."""
    for _ in range(600):
        with suppress(httpx.TransportError):
            if client.get("/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server is not ready after a minute")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _mounted(*arguments: object) -> bool:
    return subprocess.run(["mount", *map(str, arguments)], check=False, capture_output=True).returncode == 0


@contextmanager
def own_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own for a folder, with what is in it; :func:`full` fills it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder.with_name(f"{folder.name}-kept")
    shutil.copytree(folder, kept, symlinks=True)
    if not _mounted("-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", folder):
        pytest.skip("no file system can be mounted here: this user may not")
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True, symlinks=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # a process may be ending still


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """No byte is left on a disk of :func:`own_disk`."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder that nobody may write, the superuser neither."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid():
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if path.is_dir()}
        for path in modes:
            path.chmod(0o555)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
        return
    if not (_mounted("--bind", folder, folder) and _mounted("-o", "remount,bind,ro", folder)):
        pytest.skip("no folder can be mounted read-only here: permissions do not hold back the superuser")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Gate:
    """A TCP proxy in front of a server, which can be away, hang, or answer in the server's place.

    Attributes:
        mood: ``open``; ``away``: connections are cut; ``hangs``: never answers; ``403``, ``500``: answers that;
            ``stalls``: see :meth:`stall`.
        stalled: Set when an upload has come to a halt.
    """

    def __init__(self, target: int) -> None:
        self.mood = "open"
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = True
        self._held: list[socket.socket] = []
        self.stalled = threading.Event()
        self._passing = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, mood: str) -> None:
        """Change it; connections that are open end."""
        self.mood = mood
        held, self._held = self._held, []
        for one in held:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def stall(self, passing: int) -> None:
        """Pass so many uploads on, and half of the next one; then nothing more comes of it."""
        self._passing = passing
        self.stalled.clear()
        self.set("stalls")

    def close(self) -> None:
        self._open = False
        self.set("away")
        self._listener.close()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            mood = self.mood
            if mood == "away":
                client.close()
                continue
            self._held.append(client)
            if mood in ("open", "stalls"):
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()
            elif mood.isdecimal():
                threading.Thread(target=self._answer, args=(client, mood), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self._held.append(server)
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        with suppress(OSError):
            self._pass_up(client, server)

    def _pass_up(self, client: socket.socket, server: socket.socket) -> None:
        awaited = False  # the body of an upload whose head went before
        while data := client.recv(1 << 16):
            head, body = b"", data
            if upload := data.startswith(b"PUT "):
                head, gap, body = data.partition(b"\r\n\r\n")
                head += gap
            if self.mood == "stalls" and body and (upload or awaited):
                if not self._passing:
                    server.sendall(head + body[: len(body) // 2])
                    self.stalled.set()
                    return
                self._passing -= 1
            awaited = upload and not body
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)

    def _answer(self, client: socket.socket, status: str) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" if status == "403" else b""
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        with suppress(OSError):
            client.recv(1 << 16)
            client.sendall(head + body)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1 << 16):
                pass


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
