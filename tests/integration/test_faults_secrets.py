"""Secrets are where they were given, and nowhere else: not in a log, a row, a file, an export or an answer."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url
from support.faults import ROWS, free_port
from support.planted import Planted, files, rows
from support.project import LATER, Project


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, ran_twice: Project) -> Planted:
    """A project whose environment and pipeline are full of secrets."""
    found, url = Planted(), make_url(str(ran_twice.settings.database_url))
    environ = {
        "PREDICT_DB": url.set(password=found("a database's password")).render_as_string(hide_password=False),
        "PREDICT_PASSWORD": found("a password by itself"),
        "MLFLOW_TRACKING_URI": f"http://me:{found('a password of MLflow')}@127.0.0.1:{free_port()}",
        "MLFLOW_TRACKING_TOKEN": found("a token of MLflow"),
        "MLCORE_SERVE_TOKENS": found("a token of the server"),
        "AWS_SECRET_ACCESS_KEY": found("a key of S3"),
        "AWS_SESSION_TOKEN": found("a session of S3"),
        "ALERT_TOKEN": found("a token of alerts"),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    pipeline = ran_twice.settings.pipelines / "tiny.yaml"
    with pipeline.open("a", encoding="utf-8") as file:
        file.write("tracking: {mlflow: {max_wait: PT2S}}\n")
        file.write('alerts: {urls: ["jsons://me:${ALERT_TOKEN}@127.0.0.1:1/"]}\n')
    return found


def test_no_secret_is_told_by_anything(ran_twice: Project, planted: Planted, tmp_path: Path) -> None:
    """Runs that pass and fail, predictions, a server, exports, mirrors and their errors leave no secret anywhere."""
    project = ran_twice
    at_home = f"https://me:{planted('a password in a URL')}@127.0.0.1:1/rows.csv?token={planted('a token in a URL')}"
    elsewhere = f"s3://me:{planted('a password in an address to write to')}@lake/out.parquet"
    data = str(project.data(9))
    said: dict[str, str] = {}

    def tell(*arguments: str, code: int = 0) -> None:
        done = project.cli("--verbose", *arguments)
        said[" ".join(arguments)] = done.stdout + done.stderr
        assert (done.returncode == 0) == (code == 0), said

    tell("run", "tiny", "--at", LATER)
    project.data(10).unlink()
    tell("run", "tiny", "--at", "2024-01-12T06:00Z", code=1)
    tell("predict", "tiny", data, "--database", "${PREDICT_DB}", "--table", "predicted")
    for password in (planted("typed"), "${PREDICT_PASSWORD}"):
        tell("predict", "tiny", data, "--database", f"postgresql://x:{password}@127.0.0.1:1/x", "--table", "t", code=1)
    tell("predict", "tiny", at_home, "--out", str(tmp_path / "out.parquet"), code=1)
    tell("predict", "tiny", data, "--out", elsewhere, code=1)
    tell("data", "stats", at_home, code=1)
    tell("models", "history", "tiny", "--json")
    tell("models", "show", "tiny")
    tell("models", "export", "tiny", "2", str(tmp_path / "two.zip"))
    tell("mlflow", "sync", "tiny", code=1)
    tell("gc")
    said.update(served(project, planted))
    leaks = {where: found for where, one in said.items() if (found := planted.found_in(one))}
    assert not leaks
    held = [row[:500] for row in rows(str(project.settings.database_url)) if planted.found_in(row)]
    assert not held
    for file, content in files(Path(project.settings.artifacts), project.settings.home, tmp_path):
        assert not planted.found_in(content), file


def served(project: Project, planted: Planted) -> Mapping[str, str]:
    """What a server says to those who have a token and those who have not, and what it writes."""
    port, known = free_port(), {"Authorization": f"Bearer {planted('a token of the server')}"}
    log = project.folder / "served" / "{YYYY}-{MM}-{DD}.jsonl"
    server = project.start("serve", "tiny", "--port", str(port), "--log", str(log), "--log-share", "1")
    said: dict[str, str] = {}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        for path in ("/v1/model", "/metrics", "/openapi.json", "/readyz"):
            for headers in ({}, known):
                said[f"{path} {bool(headers)}"] = client.get(path, headers=headers).text
        for body in ({"rows": ROWS}, {"row": {}}):
            for headers in ({}, known, {"Authorization": known["Authorization"] + "x"}):
                answer = client.post("/v1/predict", json=body, headers=headers)
                said[f"{len(said)} {answer.status_code}"] = answer.text
    os.kill(server.pid, signal.SIGTERM)
    ended = server.wait()
    said["the server"] = ended.stdout + ended.stderr
    kept = "".join(file.read_text() for file in (project.folder / "served").glob("*.jsonl"))
    assert "planted" not in kept
    return said
