"""A challenger that is slow or fails: nobody waits for it, it is counted, and left alone for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

pytest.importorskip("prometheus_client")

from mlcore.config.rollout import Rollout
from mlcore.errors import ModelError
from mlcore.inference.scorer import Scorer
from mlcore.registry.records import ModelVersion
from mlcore.serving.challenger import Challengers, Question
from mlcore.serving.fields import Fields
from mlcore.serving.metrics import Metrics
from mlcore.serving.models import Served
from mlcore.serving.request_log import Answered

QUESTION = Question(key=b"key", rows=[{"size": 0.5}])
ANSWERED = Answered(version=1, role="champion", answers=[{"prediction": 0}])


@dataclass(frozen=True, kw_only=True)
class Slow(Scorer):
    """Answers after some seconds, or never."""

    seconds: float = 0.0
    broken: bool = False

    def answer(self, rows: pa.Table | pa.RecordBatch) -> pa.RecordBatch:
        if self.broken:
            raise ModelError("no")
        time.sleep(self.seconds)
        size = rows.num_rows
        return pa.record_batch({"prediction": [1.0] * size, "model_version": [self.version] * size})


def served(number: int, *, seconds: float = 0.0, broken: bool = False) -> Served:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    version = ModelVersion(
        pipeline="p", version=number, artifact_id=1, evaluation_id=1, digest=f"sha256:{number}", train_start=moment,
        train_end=moment, window_end=moment, run="r", created_at=moment,
    )  # fmt: skip
    scorer = Slow(pipeline=[], classes=(), version=number, seconds=seconds, broken=broken)
    return Served(version=version, scorer=scorer, fields=Fields(read={"size": "float64"}))


@contextmanager
def challengers(metrics: Metrics, waiting: int = 5, **rollout: object) -> Iterator[Challengers]:
    made = Challengers(Rollout.model_validate(rollout), metrics, limits=(64, waiting), log=None, busy=lambda: False)
    try:
        yield made
    finally:
        made.close()


def test_a_slow_shadow_holds_nobody_up_and_what_it_has_no_time_for_is_counted() -> None:
    """Ten rows are offered while the first is being answered: the queue holds five, the others are dropped."""
    metrics = Metrics("p")
    with challengers(metrics, mode="shadow") as made:
        slow = served(2, seconds=0.5)
        for _ in range(10):
            made.offer(slow, QUESTION, ANSWERED)
        text = metrics.text().decode()
        assert 'mlcore_shadow_dropped_total{pipeline="p"} 5.0' in text
        deadline = time.monotonic() + 20
        while 'mlcore_shadow_rows_total{pipeline="p"} 1.0' not in metrics.text().decode():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_canary_that_answers_too_late_is_answered_for() -> None:
    """The champion is asked once the time is over; the failure has its reason in the metrics, and is shown."""
    metrics = Metrics("p")
    with challengers(metrics, mode="canary", timeout=timedelta(seconds=0.05)) as made:
        late = served(2, seconds=0.4)
        assert asyncio.run(made.ask(late, QUESTION)) is None
        reason = 'mlcore_challenger_failures_total{pipeline="p",reason="timeout",version="2"} 1.0'
        assert reason in metrics.text().decode()
        assert made.status(late, "")["problem"] == "it answers too late"


def test_a_canary_that_fails_again_and_again_is_left_alone() -> None:
    """After five failures in a row no request is routed to it for a while; it is shown as resting."""
    metrics = Metrics("p")
    with challengers(metrics, mode="canary", share=0.999) as made:
        broken, champion = served(2, broken=True), served(1)
        assert made.chosen(broken, champion, QUESTION)
        for _ in range(5):
            assert asyncio.run(made.ask(broken, QUESTION)) is None
        assert not made.chosen(broken, champion, QUESTION)
        assert made.status(broken, "")["status"] == "resting"


def test_a_canary_answers_what_it_is_asked() -> None:
    """Its answers are those of its model."""
    with challengers(Metrics("p"), mode="canary") as made:
        assert asyncio.run(made.ask(served(2), QUESTION)) == [{"prediction": 1.0}]
