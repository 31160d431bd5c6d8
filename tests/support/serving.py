"""A server of the small project in a process of its own, and what it should answer."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pyarrow as pa
import pyarrow.csv
from support.project import Project

from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores

ROW = {"colour": "red", "size": 0.3}


@contextmanager
def served(
    project: Project, *arguments: str, before: str = "", stopped_by: signal.Signals = signal.SIGTERM
) -> Iterator[httpx.Client]:
    """A client of ``mlcore serve tiny``, which is stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = project.start("serve", "tiny", "--port", str(port), *arguments, before=before)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _until_ready(client)
            yield client
    finally:
        os.kill(server.pid, stopped_by)
        ended = server.wait()
    assert ended.returncode in (0, -stopped_by), ended.stderr


def _until_ready(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server is not ready after a minute")


def expected(project: Project, version: int) -> tuple[pa.Table, list[float]]:
    """A day's rows, and what a version's exported pipeline says of them."""
    with project.session() as stores:
        found = next(one for one in stores.registry.versions("tiny") if one.version == version)
        (artifact,) = stores.metadata.artifacts([found.artifact_id])
        model = load_model(stores.artifacts.path(artifact.uri))
    rows = pa.csv.read_csv(project.data(9)).select(["colour", "size"])
    return rows, predict_scores(model, rows).tolist()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to be so, for a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to be within a minute")
