"""The HTTP of a served model.

| request | answer |
|---|---|
| ``POST /v1/predict``, JSON | ``{"row": {...}}`` or ``{"rows": [...]}`` to ``{"model_version", "predictions"}`` |
| ``POST /v1/predict``, Arrow stream | the answers as an Arrow stream; the version in ``Mlcore-Model-Version`` |
| ``GET /v1/model`` | version, window, digest and columns of what is served |
| ``GET /healthz``, ``/readyz``, ``/metrics`` | alive; has a model; counters |

Where a challenger is tried beside the champion (``push.rollout``), a share of the requests is answered by it, or it is
asked the same in the background; the version in the answer is that of the model that made it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse

import mlcore
from mlcore.config.rollout import Rollout
from mlcore.errors import DataError, MlcoreError, ModelError, Overloaded, RequestRefused
from mlcore.registry.names import CHALLENGER, CHAMPION
from mlcore.serving.arrow_body import read_stream
from mlcore.serving.batcher import Batcher
from mlcore.serving.challenger import Challengers, Question
from mlcore.serving.fields import rows_of
from mlcore.serving.metrics import Metrics
from mlcore.serving.models import Answer, Found, Models, Served, one_batch
from mlcore.serving.openapi import document
from mlcore.serving.request_log import Answered, RequestLog
from mlcore.serving.routing import HEADER, key_of

ARROW = "application/vnd.apache.arrow.stream"
VERSION_HEADER = "Mlcore-Model-Version"
_LOG = logging.getLogger(__name__)
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one worker takes.

    Attributes:
        body_bytes: The largest body; an Arrow stream may be eight times as large when it is read.
        waiting_rows: With more rows waiting, requests are answered with 503.
        rows_at_once: So many waiting rows of different requests are answered together.
    """

    body_bytes: int = 16 << 20
    waiting_rows: int = 20_000
    rows_at_once: int = 4_096

    @property
    def stream_bytes(self) -> int:
        """Of an Arrow stream, decompressed and with its values written out."""
        return 8 * self.body_bytes


class TooLarge(RequestRefused):
    """The body has more bytes than may be."""


class NotAllowed(RequestRefused):
    """Whoever asks has not said that they may."""


def create_app(
    models: Models,
    metrics: Metrics,
    *,
    limits: Limits,
    tokens: Sequence[str] = (),
    log: RequestLog | None = None,
    refresh_seconds: float = 1.0,
    rollout: Rollout | None = None,
    key: Sequence[str] = (),
) -> FastAPI:
    """The app of one worker.

    Args:
        models: What is served; refreshed while the app runs.
        metrics: Where requests are counted.
        limits: What it takes.
        tokens: SHA-256 digests, in hexadecimal, of the tokens that may ask; none: everybody may.
        log: Keeps a sample of the rows.
        refresh_seconds: How often the alias is looked up.
        rollout: How a challenger is tried beside the champion; by default none is.
        key: The columns by which rows are told apart, where they are sent.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix="answers")
    looking = ThreadPoolExecutor(1, thread_name_prefix="registry")

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(models.follow(looking, refresh_seconds))
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        server.close()
        executor.shutdown()
        looking.shutdown()
        if log is not None:
            log.close()

    open_to_all = not tokens  # strangers are not told the columns either
    app = FastAPI(
        title="mlcore",
        version=mlcore.__version__,
        lifespan=running,
        redoc_url=None,
        openapi_url="/openapi.json" if open_to_all else None,
    )
    server = _Server(models, metrics, limits, executor, log, rollout, key)
    known = [Depends(_checked(frozenset(tokens)))]
    app.add_api_route("/v1/predict", server.predict, methods=["POST"], dependencies=known)
    app.add_api_route("/v1/model", server.model, methods=["GET"], dependencies=known)
    app.add_api_route("/metrics", server.counters, methods=["GET"], dependencies=known)
    app.add_api_route("/healthz", server.alive, methods=["GET"])
    app.add_api_route("/readyz", server.ready, methods=["GET"])
    app.openapi = lambda: document(app, models.current)  # type: ignore[method-assign]
    if not open_to_all:
        app.add_api_route("/openapi.json", app.openapi, dependencies=known, include_in_schema=False)
    app.add_exception_handler(MlcoreError, _told)
    return app


class _Server:
    """The routes."""

    def __init__(
        self,
        models: Models,
        metrics: Metrics,
        limits: Limits,
        executor: ThreadPoolExecutor,
        log: RequestLog | None,
        rollout: Rollout | None,
        key: Sequence[str],
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._limits = limits
        self._executor = executor
        self._log = log
        self._batcher: Batcher[Served, Answer] = Batcher(
            self._answer, executor, most_at_once=limits.rows_at_once, most_waiting=limits.waiting_rows
        )
        self._key = tuple(key)
        self._challengers: Challengers | None = None
        if rollout is not None:
            self._challengers = Challengers(
                rollout,
                metrics,
                limits=(limits.rows_at_once, limits.waiting_rows),
                log=log,
                busy=lambda: self._batcher.waiting_rows > 0,
            )

    def close(self) -> None:
        """Ask challengers nothing more."""
        if self._challengers is not None:
            self._challengers.close()

    async def predict(self, request: Request) -> Response:
        """Predictions for a row or many."""
        body = await self._body(request)
        started = time.perf_counter()
        served = self._models.current
        answered, status = (None if served is None else Answered(version=served.version.version, role=CHAMPION)), 500
        try:
            if served is None:
                raise Overloaded("no model is served yet", next_step="ask again when /readyz says 200")
            arrow = request.headers.get("content-type", "").partition(";")[0].strip() == ARROW
            question = await self._of_arrow(request, served, body) if arrow else self._of_json(request, body)
            answered, response = await self._answered(served, question)
            status = response.status_code
        except MlcoreError as error:
            status = _status(error)
            raise
        finally:
            seconds = time.perf_counter() - started
            version, role = (None, "") if answered is None else (answered.version, answered.role)
            self._metrics.answered(status, version, role, seconds)
        return response

    def _of_json(self, request: Request, body: bytes) -> Question:
        rows = rows_of(body)
        return Question(key=key_of(request.headers.get(HEADER), rows, self._key, body), rows=rows)

    async def _of_arrow(self, request: Request, served: Served, body: bytes) -> Question:
        loop, columns = asyncio.get_running_loop(), served.scorer.columns
        reading = partial(read_stream, body, columns, most_bytes=self._limits.stream_bytes)
        table = one_batch(await loop.run_in_executor(self._executor, reading))
        names = [name for name in self._key if name in table.schema.names]
        first = table.slice(0, 1).select(names).to_pylist() if len(names) == len(self._key) else []
        return Question(key=key_of(request.headers.get(HEADER), first, self._key, body), table=table)

    async def _answered(self, served: Served, question: Question) -> tuple[Answered, Response]:
        """The answer of the champion, or of its challenger; and what else comes of the question."""
        challenger, challengers = self._models.challenger, self._challengers
        batch = question.batch(served)  # refused for what the champion needs, whoever answers
        found: Found | None = None
        by, role = served, CHAMPION
        if challengers and challenger and batch.num_rows and challengers.chosen(challenger, served, question):
            found = await challengers.ask(challenger, question)
            by, role = (challenger, CHALLENGER) if found is not None else (served, CHAMPION)
        if found is None:
            found = await self._by_champion(served, question, batch)
        rows = [] if isinstance(found, pa.RecordBatch) else found
        answered = Answered(version=by.version.version, role=role, answers=rows)
        if self._log is not None:
            self._log.add(question.rows, answered)
        if challengers and challenger and by is served:
            challengers.offer(challenger, question, answered)
        return answered, _response(by, found)

    async def _by_champion(self, served: Served, question: Question, batch: pa.RecordBatch) -> Found:
        try:
            if question.table is not None:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._executor, served.answer_table, question.table)
            return await self._batcher.ask(served, batch) if batch.num_rows else []
        except MlcoreError:
            if self._log is not None:
                self._log.add(question.rows, Answered(version=served.version.version, role=CHAMPION))
            raise

    def _answer(self, served: Served, batches: Sequence[pa.RecordBatch]) -> Sequence[Answer]:
        self._metrics.together(sum(batch.num_rows for batch in batches))
        return served.answer_rows(batches)

    async def _body(self, request: Request) -> bytes:
        most = self._limits.body_bytes
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > most:
            raise _too_large(most)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise _too_large(most)
        return bytes(body)

    async def model(self) -> Response:
        """What is served."""
        served = self._models.current
        if served is None:
            raise Overloaded("no model is served yet", next_step="train one, or promote a version")
        version = served.version
        return JSONResponse(
            {
                "pipeline": version.pipeline,
                "model_version": version.version,
                "digest": version.digest,
                "trained_on": [version.train_start.isoformat(), version.train_end.isoformat()],
                "columns": dict(served.scorer.columns),
                "classes": list(served.scorer.classes),
            }
        )

    async def alive(self) -> Response:
        """The process answers."""
        return JSONResponse({"status": "alive"})

    async def ready(self) -> Response:
        """Whether there is a model to ask; for how long nobody could look for a newer one."""
        served = self._models.current
        seconds = round(time.monotonic() - self._models.checked, 1)
        if served is None:
            return JSONResponse({"status": "no model yet"}, status_code=503)
        content = {"status": "ready", "model_version": served.version.version, "looked_seconds_ago": seconds}
        if self._challengers is not None:
            content["challenger"] = self._challengers.status(self._models.challenger, self._models.challenger_problem)
        return JSONResponse(content)

    async def counters(self) -> Response:
        """For Prometheus."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body has more than {most} bytes", next_step="send fewer rows at once")


def _response(by: Served, found: Found) -> Response:
    headers = {VERSION_HEADER: str(by.version.version)}
    if not isinstance(found, pa.RecordBatch):
        content = {"model_version": by.version.version, "predictions": [_finite(answer) for answer in found]}
        return JSONResponse(content, headers=headers)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.schema) as writer:
        writer.write_batch(found)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW, headers=headers)


def _finite(answer: Answer) -> Answer:
    """JSON has no number that is none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in answer.items()
    }


def _status(error: MlcoreError) -> int:
    match error:
        case Overloaded():
            return 503
        case TooLarge():
            return 413
        case NotAllowed():
            return 401
        case RequestRefused() | DataError() | ModelError():
            return 422
    return 500


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, MlcoreError)
    status = _status(error)
    if status == 500:
        _LOG.error("a request failed: %s", error)
    problems: Any = error.problems if isinstance(error, RequestRefused) else ()
    content = {"error": error.what, "next": error.next_step, "problems": list(problems)}
    return JSONResponse(content, status_code=status, headers=_HEADERS.get(status))


def _checked(digests: frozenset[str]) -> Callable[[Request], None]:
    """Refuses who has none of the tokens."""

    def check(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        known = [hmac.compare_digest(digest, one) for one in digests]  # all of them: the time tells nothing
        if digests and not (kind.lower() == "bearer" and any(known)):
            raise NotAllowed(
                "there is no token, or one that is not known", next_step="send Authorization: Bearer <token>"
            )

    return check
