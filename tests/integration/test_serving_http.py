"""``mlcore serve`` as its users meet it: a process that answers HTTP while its model is swapped."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pyarrow as pa
import pyarrow.csv
from support.project import Project

from mlcore.training.model import load_model
from mlcore.training.predict import predict_scores

ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
ROW = {"colour": "red", "size": 0.3}
TOKEN = "a token of the tests"


@contextmanager
def served(project: Project, *arguments: str, before: str = "") -> Iterator[httpx.Client]:
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
        os.kill(server.pid, signal.SIGTERM)
        ended = server.wait()
    assert ended.returncode in (0, -signal.SIGTERM), ended.stderr


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


def test_a_server_answers_as_the_exported_pipeline_does_and_says_what_is_wrong(ran_twice: Project) -> None:
    """JSON and Arrow give its bits; bad requests are refused with names, strangers and large bodies at the door."""
    rows, scores = expected(ran_twice, 2)
    log = ran_twice.folder / "served" / "{YYYY}-{MM}-{DD}.jsonl"
    arguments = ("--max-body", "100000", "--log", str(log), "--log-share", "1")
    before = f"import os; os.environ['MLCORE_SERVE_TOKENS'] = 'other,{TOKEN}'"
    with served(ran_twice, *arguments, before=before) as client:
        assert client.post("/v1/predict", json={"row": ROW}).status_code == 401
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/docs").status_code == 404
        assert client.get("/healthz").status_code == 200
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        answer = client.post("/v1/predict", json={"rows": rows.to_pylist()}).json()
        assert answer["model_version"] == 2
        assert [one["probability"] for one in answer["predictions"]] == scores
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        arrow = client.post("/v1/predict", content=sink.getvalue().to_pybytes(), headers=ARROW)
        assert pa.ipc.open_stream(arrow.content).read_all()["probability"].to_pylist() == scores
        assert arrow.headers["Mlcore-Model-Version"] == "2"
        wrong = client.post("/v1/predict", json={"row": {"color": "red", "size": "3"}})
        assert wrong.status_code == 422
        assert {problem["field"] for problem in wrong.json()["problems"]} == {"color", "colour", "size"}
        assert client.post("/v1/predict", content=b"no arrow", headers=ARROW).status_code == 422
        assert client.post("/v1/predict", content=b"x" * 100_001).status_code == 413
        assert client.post("/v1/predict", content=iter([b"x" * 60_000] * 2)).status_code == 413
        assert client.get("/v1/model").json()["columns"] == {"colour": "string", "size": "float64"}
        described = client.get("/openapi.json").json()["paths"]["/v1/predict"]["post"]["requestBody"]
        assert "colour" in json.dumps(described)
        assert 'mlcore_requests_total{pipeline="tiny",status="413",version=""} 0' not in client.get("/metrics").text
        assert 'mlcore_requests_total{pipeline="tiny",status="200",version="2"} 2.0' in client.get("/metrics").text
    (kept,) = (ran_twice.folder / "served").glob("*.jsonl")
    assert [json.loads(line)["size"] for line in kept.read_text().splitlines()] == rows["size"].to_pylist()
    assert TOKEN not in kept.read_text()


def test_a_rollback_swaps_the_model_and_fails_no_request(ran_twice: Project) -> None:
    """While the alias moves from version 2 to 1, every answer is whole, names its version and has that one's bits."""
    scores = {version: expected(ran_twice, version)[1] for version in (1, 2)}
    rows = expected(ran_twice, 1)[0].to_pylist()
    asked: Counter[tuple[int, bool]] = Counter()
    stop = threading.Event()

    def ask(client: httpx.Client, number: int) -> None:
        while not stop.is_set():
            response = client.post("/v1/predict", json={"row": rows[number]})
            assert response.status_code == 200
            version = response.json()["model_version"]
            same = response.json()["predictions"][0]["probability"] == scores[version][number]
            asked[version, same] += 1
            number = (number + 1) % len(rows)

    with served(ran_twice, "--workers", "2") as client:
        threads = [threading.Thread(target=ask, args=(client, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        _until(lambda: asked[2, True] > 20)
        assert ran_twice.cli("models", "rollback", "tiny").returncode == 0
        _until(lambda: asked[1, True] > 20)
        stop.set()
        for thread in threads:
            thread.join()
    assert not [count for (_, same), count in asked.items() if not same]
    assert asked[1, True] > 20


def _until(condition: object) -> None:
    for _ in range(600):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to be within a minute")


def test_a_server_for_others_needs_a_token(ran: Project) -> None:
    """Nobody opens a model to the network by mistake."""
    done = ran.cli("serve", "tiny", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "MLCORE_SERVE_TOKENS" in done.stderr
