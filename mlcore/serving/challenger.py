"""The challenger of a server: a canary that answers a share of the requests, or a shadow that is asked the same.

Whatever becomes of it, the champion answers: a challenger that fails, is slow, or has too much to do is counted, shown
by ``/readyz``, and left alone for a while when it fails again and again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlcore.config.rollout import Rollout
from mlcore.core.types import Json
from mlcore.errors import quoted
from mlcore.serving.batcher import Batcher
from mlcore.serving.models import Answer, Found, Served
from mlcore.serving.request_log import Answered, RequestLog
from mlcore.serving.routing import in_share, salt_of

if TYPE_CHECKING:
    from mlcore.serving.metrics import Metrics

CHALLENGER = "challenger"
SHADOW = "shadow"
_LOG = logging.getLogger(__name__)
_FAILURES = 5
_REST_SECONDS = 30.0
_MOST_REQUESTS = 1_000
_POLITE_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Question:
    """One request.

    Attributes:
        key: What it is routed by.
        rows: As they came; of Arrow, none.
        table: As they came in Arrow; of JSON, none.
    """

    key: bytes
    rows: Sequence[Any] = ()
    table: pa.RecordBatch | None = None

    def batch(self, served: Served) -> pa.RecordBatch:
        """The rows as a model reads them.

        Raises:
            RequestRefused: It reads what is not there.
        """
        return served.fields.batch(self.rows) if self.table is None else self.table

    @property
    def size(self) -> int:
        """How many rows."""
        return len(self.rows) if self.table is None else int(self.table.num_rows)


class Challengers:
    """Asks the challenger beside the champion. Used from one event loop, but for the shadow's own thread.

    Args:
        rollout: How it is tried.
        metrics: Where what becomes of it is counted.
        limits: Rows that are answered together, and that may wait.
        log: Keeps a sample of what it answered.
        busy: Whether requests wait for the champion: a shadow lets them go first, for a moment.
    """

    def __init__(
        self,
        rollout: Rollout,
        metrics: Metrics,
        *,
        limits: tuple[int, int],
        log: RequestLog | None,
        busy: Callable[[], bool],
    ) -> None:
        self.rollout = rollout
        self._metrics = metrics
        self._at_once, self._waiting = limits
        self._log = log
        self._busy = busy
        self._failed_in_a_row = 0
        self._rests_until = 0.0
        self._last_problem = ""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="challenger")
        self._batcher: Batcher[Served, Answer] = Batcher(
            Served.answer_rows, self._executor, most_at_once=self._at_once, most_waiting=self._waiting
        )
        self._questions: queue.Queue[tuple[Served, Question, Answered] | None] = queue.Queue(_MOST_REQUESTS)
        self._rows = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._follow, name="shadow", daemon=True)
        if rollout.mode == "shadow":
            self._thread.start()

    def chosen(self, challenger: Served, champion: Served, question: Question) -> bool:
        """Whether the challenger is to answer a request: by its key alone, while the two versions stay."""
        if self.rollout.mode != "canary" or time.monotonic() < self._rests_until:
            return False
        salt = salt_of(challenger.version.digest, champion.version.digest)
        return in_share(question.key, self.rollout.share, salt)

    async def ask(self, challenger: Served, question: Question) -> Found | None:
        """The challenger's answers; ``None`` where the champion has to answer in its place."""
        started = time.perf_counter()
        try:
            answers: Found = await asyncio.wait_for(
                self._asked(challenger, question), self.rollout.timeout.total_seconds()
            )
        except Exception as error:
            self._failed(challenger, error)
            return None
        self._answered(challenger, time.perf_counter() - started)
        return answers

    async def _asked(self, challenger: Served, question: Question) -> Found:
        if question.table is None:
            return await self._batcher.ask(challenger, question.batch(challenger))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, challenger.answer_table, question.table)

    def offer(self, challenger: Served, question: Question, answered: Answered) -> None:
        """Have a shadow asked what the champion answered, when there is time; never waits."""
        rows = question.size
        if self.rollout.mode != "shadow" or not rows:
            return
        with self._lock:
            full = self._rows > 0 and self._rows + rows > self._waiting
            if not full:
                self._rows += rows
        if not full:
            try:
                self._questions.put_nowait((challenger, question, answered))
            except queue.Full:
                full = True
                self._done(rows)
        if full:
            self._metrics.shadow_dropped.inc(rows)

    def status(self, challenger: Served | None, problem: str) -> dict[str, Json]:
        """What ``/readyz`` shows."""
        found: dict[str, Json] = {"mode": self.rollout.mode}
        if challenger is not None:
            found["model_version"] = challenger.version.version
            found["status"] = "resting" if time.monotonic() < self._rests_until else "ready"
        else:
            found["status"] = "failed" if problem else "none"
        last = problem or self._last_problem
        return {**found, "problem": last} if last else found

    def close(self) -> None:
        """Ask nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._thread.is_alive():
            try:
                self._questions.put_nowait(None)
            except queue.Full:
                return  # it is a daemon
            self._thread.join(timeout=5)

    def _follow(self) -> None:
        while (item := self._questions.get()) is not None:
            challenger, question, answered = item
            self._wait_politely()
            if time.monotonic() >= self._rests_until:
                self._shadow(challenger, question, answered)
            self._done(question.size)

    def _wait_politely(self) -> None:
        until = time.monotonic() + _POLITE_SECONDS
        while self._busy() and time.monotonic() < until:
            time.sleep(0.002)

    def _shadow(self, challenger: Served, question: Question, answered: Answered) -> None:
        started = time.perf_counter()
        try:
            found = challenger.answer_table(question.batch(challenger))
        except Exception as error:
            self._failed(challenger, error)
            return
        self._answered(challenger, time.perf_counter() - started)
        self._metrics.shadow_rows.inc(found.num_rows)
        if self._log is not None and question.rows:
            told = Answered(version=challenger.version.version, role=SHADOW, answers=found.to_pylist(), beside=answered)
            self._log.add(question.rows, told)

    def _done(self, rows: int) -> None:
        with self._lock:
            self._rows -= rows

    def _answered(self, challenger: Served, seconds: float) -> None:
        self._failed_in_a_row = 0
        self._last_problem = ""
        self._metrics.challenger_answered(challenger.version.version, seconds)

    def _failed(self, challenger: Served, error: Exception) -> None:
        version = challenger.version.version
        late = isinstance(error, TimeoutError)
        problem = "it answers too late" if late else f"{type(error).__name__}: {quoted(str(error))}"
        self._metrics.challenger_failed(version, "timeout" if late else type(error).__name__)
        if not self._last_problem:
            _LOG.warning("challenger %d did not answer, the champion does: %s", version, problem)
        self._last_problem = problem
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _FAILURES:
            self._failed_in_a_row = 0
            self._rests_until = time.monotonic() + _REST_SECONDS
            _LOG.warning("challenger %d is not asked for %d s: it failed %d times", version, _REST_SECONDS, _FAILURES)
