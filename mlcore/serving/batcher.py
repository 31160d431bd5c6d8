"""Requests that wait while the model answers others are answered together, next.

A model answers sixty-four rows in about the time it takes for one, and each with the bits it would have alone: what
comes in while it is busy is one batch when it is free. Nobody waits for others that are not there yet.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from mlcore.errors import Overloaded

ModelT = TypeVar("ModelT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[ModelT, AnswerT]):
    model: ModelT
    rows: pa.RecordBatch
    answered: asyncio.Future[Sequence[AnswerT]]


class Batcher(Generic[ModelT, AnswerT]):
    """Gathers requests for the thread in which models answer. Used from one event loop.

    Args:
        answer: What a model says of every row of some batches, in their order; called in the executor.
        executor: Whose one thread answers.
        most_at_once: So many rows are answered together, or those of one request.
        most_waiting: With more rows waiting, requests are refused.
    """

    def __init__(
        self,
        answer: Callable[[ModelT, Sequence[pa.RecordBatch]], Sequence[AnswerT]],
        executor: Executor,
        *,
        most_at_once: int,
        most_waiting: int,
    ) -> None:
        self._answer = answer
        self._executor = executor
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._queue: deque[_Waiting[ModelT, AnswerT]] = deque()
        self._running: asyncio.Task[None] | None = None
        self.waiting_rows = 0

    async def ask(self, model: ModelT, rows: pa.RecordBatch) -> Sequence[AnswerT]:
        """The answers to the rows, of exactly this model.

        Raises:
            Overloaded: Too many rows wait already.
        """
        if self.waiting_rows and self.waiting_rows + rows.num_rows > self._most_waiting:
            raise Overloaded(
                f"{self.waiting_rows} rows wait to be answered, more than may", next_step="ask again in a second"
            )
        waiting = _Waiting(model, rows, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self.waiting_rows += rows.num_rows
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await waiting.answered

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._answer_next()
        finally:
            self._running = None

    async def _answer_next(self) -> None:
        batch = self._next()
        rows = [waiting.rows for waiting in batch]
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._answer, batch[0].model, rows)
        except Exception as error:
            if len(batch) > 1:  # one request's rows fail nobody else's
                for waiting in batch:
                    await self._answer_alone(waiting)
            else:
                _refuse(batch[0], error)
        else:
            start = 0
            for waiting in batch:
                _give(waiting, answers[start : start + waiting.rows.num_rows])
                start += waiting.rows.num_rows
        finally:
            self.waiting_rows -= sum(one.num_rows for one in rows)

    async def _answer_alone(self, waiting: _Waiting[ModelT, AnswerT]) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._answer, waiting.model, [waiting.rows])
        except Exception as error:
            _refuse(waiting, error)
        else:
            _give(waiting, answers)

    def _next(self) -> list[_Waiting[ModelT, AnswerT]]:
        """The requests of one model that come next, as many as may be answered at once."""
        batch = [self._queue.popleft()]
        rows = batch[0].rows.num_rows
        while self._queue and self._queue[0].model is batch[0].model:
            rows += self._queue[0].rows.num_rows
            if rows > self._most_at_once:
                break
            batch.append(self._queue.popleft())
        return batch


def _give(waiting: _Waiting[ModelT, AnswerT], answers: Sequence[AnswerT]) -> None:
    if not waiting.answered.done():  # whoever asked may have gone
        waiting.answered.set_result(answers)


def _refuse(waiting: _Waiting[ModelT, AnswerT], error: Exception) -> None:
    if not waiting.answered.done():
        waiting.answered.set_exception(error)
