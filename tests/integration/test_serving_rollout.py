"""A challenger beside the champion in a real server: its share of the answers, its shadow, its failures."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle

import httpx
from support.project import Project
from support.serving import ROW, expected, served, until

CANARY = "push: {rollout: {mode: canary, share: 0.3, timeout: PT20S}, infra:"
SHADOW = "push: {rollout: {mode: shadow}, infra:"


def ask(client: httpx.Client, key: str, row: dict[str, object]) -> tuple[int, float]:
    """The version that answered, and what."""
    answer = client.post("/v1/predict", json={"row": row}, headers={"Mlcore-Routing-Key": key})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Mlcore-Model-Version"] == str(answer.json()["model_version"])
    return answer.json()["model_version"], answer.json()["predictions"][0]["probability"]


Given = list[tuple[str, tuple[int, float]]]


def ask_until_it_dies(url: httpx.URL, keys: list[str], row: dict[str, object], given: Given) -> None:
    """Keep every answer that comes, by its key."""
    with httpx.Client(base_url=url, timeout=30) as client, suppress(httpx.TransportError):
        for key in cycle(keys):
            given.append((key, ask(client, key, row)))


def test_a_canary_answers_its_share_of_keys_and_always_the_same(ran_twice: Project) -> None:
    """A key goes to one version, whose bits the answer has; without the alias all go to the champion at once.

    A server that is killed amid that answers nobody by half: the next one sends each key where the first did, and no
    alias has moved.
    """
    scores = {version: expected(ran_twice, version)[1] for version in (1, 2)}
    row = expected(ran_twice, 1)[0].slice(0, 1).to_pylist()[0]
    ran_twice.replace("push: {infra:", CANARY)
    with ran_twice.session() as stores:
        stores.registry.set_alias("tiny", "challenger", 1, actor="ana", reason="try it")
    keys = [f"user {number}" for number in range(200)]
    given: Given = []
    with ThreadPoolExecutor(2) as pool:
        with served(ran_twice, stopped_by=signal.SIGKILL) as client:
            first = {key: ask(client, key, row) for key in keys}
            asked = [pool.submit(ask_until_it_dies, client.base_url, keys, row, given) for _ in range(2)]
            until(lambda: len(given) >= 20)
        for one in asked:
            one.result()  # which raises what was no answer, and no broken connection either
    assert all(answer == first[key] for key, answer in given)
    with served(ran_twice) as client:
        assert set(first.values()) == {(version, scores[version][0]) for version in (1, 2)}
        by_challenger = sum(version == 1 for version, _ in first.values())
        assert 30 <= by_challenger <= 90  # 60 are expected, five standard errors are 32
        assert {key: ask(client, key, row) for key in keys} == first
        with ran_twice.session() as stores:
            assert stores.registry.aliases("tiny") == {"challenger": 1, "champion": 2, "previous": 1}
            assert len(stores.registry.history("tiny")) == 3
        shown = client.get("/readyz").json()["challenger"]
        assert shown == {"mode": "canary", "model_version": 1, "status": "ready"}
        metrics = client.get("/metrics").text
        assert 'mlcore_requests_total{pipeline="tiny",role="challenger",status="200",version="1"}' in metrics
        assert 'mlcore_model_version{pipeline="tiny",role="challenger"} 1.0' in metrics
        with ran_twice.session() as stores:
            stores.registry.remove_alias("tiny", "challenger", actor="ana", reason="enough")
        until(lambda: client.get("/readyz").json()["challenger"]["status"] == "none")
        assert {ask(client, key, row)[0] for key in keys[:50]} == {2}


def test_a_shadow_answers_nobody_and_its_failures_fail_nobody(ran_twice: Project) -> None:
    """It is asked what the champion answered, and both are logged; rows that it cannot read are counted, no more.

    A challenger whose files are damaged is not served: the champion answers, and the server stays ready.
    """
    ran_twice.replace("push: {infra:", SHADOW)
    ran_twice.replace(
        "size: {transform: scale_to_z_score}", "size: {transform: scale_to_z_score}\n  id: {transform: numeric}"
    )
    ran_twice.run("2024-01-12T06:00Z", name="third")
    log = ran_twice.folder / "served" / "{YYYY}-{MM}-{DD}.jsonl"
    with served(ran_twice, "--log", str(log), "--log-share", "1") as client:
        assert client.get("/readyz").json()["challenger"] == {"mode": "shadow", "model_version": 3, "status": "ready"}
        for number in range(20):
            assert ask(client, "key", {**ROW, "id": number})[0] == 2
        until(lambda: 'mlcore_shadow_rows_total{pipeline="tiny"} 20.0' in client.get("/metrics").text)
        for _ in range(5):
            assert ask(client, "key", dict(ROW))[0] == 2
        until(lambda: client.get("/readyz").json()["challenger"]["status"] == "resting")
        assert "field 'id' of row 0 is missing" in client.get("/readyz").json()["challenger"]["problem"]
        with ran_twice.session() as stores:
            (model,) = stores.metadata.artifacts([stores.registry.find("tiny", 1).artifact_id])
            for file in stores.artifacts.path(model.uri).rglob("*"):
                if file.is_file():
                    file.write_bytes(b"damaged")
            stores.registry.set_alias("tiny", "challenger", 1, actor="ana", reason="try it")
        until(lambda: client.get("/readyz").json()["challenger"]["status"] == "failed")
        assert client.get("/readyz").json()["status"] == "ready"
        assert ask(client, "key", dict(ROW))[0] == 2
    (shadows,) = (ran_twice.folder / "served" / "shadow").glob("*.jsonl")
    lines = [json.loads(line) for line in shadows.read_text().splitlines()]
    assert len(lines) == 20
    told = lines[0]["mlcore"]
    assert (told["model_version"], told["role"], told["beside"]["model_version"]) == (3, "shadow", 2)
    assert {"prediction", "probability"} == set(told["answer"]) == set(told["beside"]["answer"])
    (kept,) = (ran_twice.folder / "served").glob("*.jsonl")
    assert {json.loads(line)["mlcore"]["role"] for line in kept.read_text().splitlines()} == {"champion"}
