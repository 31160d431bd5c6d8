"""The workers of a server: what the command line chose, an app in each, one socket for all."""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mlcore.config.loader import find_pipeline
from mlcore.config.settings import Settings
from mlcore.core.temporary import temporary_folder
from mlcore.errors import ConfigError, MetadataUnavailable, NoChampion
from mlcore.platform.processes import die_with_parent
from mlcore.registry.names import CHAMPION

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mlcore.config.pipeline import PipelineConfig
    from mlcore.runtime.session import Session
    from mlcore.serving.sources import ModelSource

CHOICES = "MLCORE_SERVING"
"""The variable by which the command line tells its workers what it was asked for; no secret is in it."""
PARENT = "MLCORE_SERVING_PARENT"
"""The variable that holds the id of the process that starts the workers."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAUSE_SECONDS = 1.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What is served and how.

    Attributes:
        model: A number or an alias.
        tokens: SHA-256 digests of the tokens that may ask.
        log: Pattern of the request log's files; none is kept without.
        log_share: So much of the rows is kept.
        confidence: Of a regressor's bounds; none are told by default.
        published: Where versions are published to (``push.destinations``), which is followed in place of the registry.
    """

    pipeline: str
    model: str
    host: str
    port: int
    workers: int
    tokens: tuple[str, ...] = ()
    log: str | None = None
    log_share: float = 0.01
    confidence: float | None = None
    published: str | None = None
    body_bytes: int = 16 << 20
    waiting_rows: int = 20_000
    refresh_seconds: float = 1.0

    def check(self) -> None:
        """Check that nobody is let in by mistake.

        Raises:
            ConfigError: It listens to other machines, and no token is set.
        """
        if self.host not in _LOOPBACK and not self.tokens:
            raise ConfigError(
                f"{self.host} can be reached from other machines, and everybody may ask",
                where="--host",
                next_step="set MLCORE_SERVE_TOKENS (several with commas between), or serve on 127.0.0.1 behind a proxy",
            )


def serve(choices: Choices) -> None:
    """Serve until the process is told to stop; workers that die are started anew.

    Raises:
        ConfigError: As :meth:`Choices.check`.
    """
    import uvicorn

    choices.check()
    with temporary_folder("serving") as shared:
        os.environ[PARENT] = str(os.getpid())
        os.environ.update({CHOICES: json.dumps(asdict(choices)), **dict.fromkeys(_THREADS, "1")})
        if choices.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared)
        uvicorn.run(
            "mlcore.serving.process:worker",
            factory=True,
            host=choices.host,
            port=choices.port,
            workers=choices.workers,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=30,
            timeout_keep_alive=75,  # longer than the proxies in front keep theirs
        )


def worker() -> FastAPI:
    """The app of one worker, as the environment says."""
    from mlcore.serving.app import Limits, create_app
    from mlcore.serving.metrics import Metrics
    from mlcore.serving.models import Models
    from mlcore.serving.request_log import RequestLog

    chosen = json.loads(os.environ[CHOICES])
    choices = Choices(**{**chosen, "tokens": tuple(chosen["tokens"])})
    if choices.workers > 1:  # one that outlives who started it keeps the port, and nobody would stop it
        die_with_parent(signal.SIGTERM, int(os.environ[PARENT]))
    logging.getLogger("mlcore").setLevel(logging.INFO)
    settings = Settings.from_environ(os.environ)
    stack = ExitStack()
    atexit.register(stack.close)
    source, config = _source(choices, settings, stack)
    metrics = Metrics(config.name)
    models = Models(source, config, choices.model, metrics, confidence=choices.confidence)
    try:
        models.refresh()
    except NoChampion as error:
        logging.getLogger(__name__).warning("waiting for a model: %s", error)
    log = None
    if choices.log is not None:
        log = RequestLog(
            choices.log,
            share=choices.log_share,
            grain=config.data.span,
            moment=config.data.event_timestamp,
            metrics=metrics,
        )
    limits = Limits(body_bytes=choices.body_bytes, waiting_rows=choices.waiting_rows)
    return create_app(
        models,
        metrics,
        limits=limits,
        tokens=choices.tokens,
        log=log,
        refresh_seconds=choices.refresh_seconds,
        rollout=config.push.rollout if choices.model == CHAMPION else None,
        key=config.data.key,
    )


def _source(choices: Choices, settings: Settings, stack: ExitStack) -> tuple[ModelSource, PipelineConfig]:
    """Where models come from, and the pipeline's file: the project's, or that of what is published."""
    from mlcore.serving.sources import PublishedSource, RegistrySource

    if choices.published is not None:
        published = PublishedSource.of(choices.published, choices.pipeline, settings.variables)
        return published, published.config(choices.model)
    session = open_stores(settings, stack, patient=choices.workers > 1)
    return RegistrySource(session, choices.pipeline), find_pipeline(settings.pipelines, choices.pipeline)


def open_stores(settings: Settings, stack: ExitStack, *, patient: bool) -> Session:
    """Of several workers one that takes the place of another waits for the database: the rest go on answering."""
    from mlcore.runtime.session import open_session

    told = False
    while True:
        try:
            return stack.enter_context(open_session(settings))
        except MetadataUnavailable as error:
            if not patient:
                raise
            if not told:
                logging.getLogger(__name__).warning("a worker waits to start: %s", error.what)
                told = True
            time.sleep(_PAUSE_SECONDS)
