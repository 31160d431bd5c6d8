"""``mlcore serve`` as its users meet it: a process that answers HTTP while its model is swapped."""

from __future__ import annotations

import json
import threading
from collections import Counter

import httpx
import pyarrow as pa
import pyarrow.csv
from support.project import Project
from support.serving import ROW, expected, served, until

ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
TOKEN = "a token of the tests"


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
        assert (
            'mlcore_requests_total{pipeline="tiny",role="",status="413",version=""} 0'
            not in client.get("/metrics").text
        )
        assert (
            'mlcore_requests_total{pipeline="tiny",role="champion",status="200",version="2"} 2.0'
            in client.get("/metrics").text
        )
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
        until(lambda: asked[2, True] > 20)
        assert ran_twice.cli("models", "rollback", "tiny").returncode == 0
        until(lambda: asked[1, True] > 20)
        stop.set()
        for thread in threads:
            thread.join()
    assert not [count for (_, same), count in asked.items() if not same]
    assert asked[1, True] > 20


def test_a_server_for_others_needs_a_token(ran: Project) -> None:
    """Nobody opens a model to the network by mistake."""
    done = ran.cli("serve", "tiny", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "MLCORE_SERVE_TOKENS" in done.stderr
