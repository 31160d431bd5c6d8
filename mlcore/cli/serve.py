"""``mlcore serve``: a released model behind HTTP."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from typing import Annotated

import typer

from mlcore.cli.context import notes, settings
from mlcore.config.loader import find_pipeline
from mlcore.errors import PlatformError
from mlcore.registry.names import CHAMPION

TOKENS = "MLCORE_SERVE_TOKENS"


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline whose model is served.")],
    model: Annotated[
        str, typer.Option(help="Number of a version, or an alias: it is followed where it moves.")
    ] = CHAMPION,
    published: Annotated[
        str | None,
        typer.Option("--from", help="A folder or URL of push.destinations: neither database nor project is needed."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; elsewhere than here tokens are needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    log: Annotated[
        str | None, typer.Option(help="Keep a sample of the rows asked: served/{YYYY}-{MM}-{DD}.jsonl")
    ] = None,
    log_share: Annotated[float, typer.Option(min=0, max=1, help="How many of all rows.")] = 0.01,
    confidence: Annotated[
        float | None, typer.Option(help="Bounds around a regressor's predictions, trained with model.intervals: 0.9.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of the largest request.")] = 16 << 20,
    max_waiting: Annotated[int, typer.Option(min=1, help="Rows that may wait in a worker.")] = 20_000,
) -> None:
    """Serve a pipeline's model; a promotion or a rollback swaps it within a second, and no request is lost.

    Tokens that may ask stand in MLCORE_SERVE_TOKENS, with commas between.
    """
    from mlcore.platform.postgres import ensure_database
    from mlcore.runtime.session import open_session
    from mlcore.serving.process import Choices
    from mlcore.serving.process import serve as serve_until_told
    from mlcore.serving.sources import PublishedSource

    found = settings()
    if published is None:
        find_pipeline(found.pipelines, pipeline)
    tokens = [token.strip() for token in os.environ.get(TOKENS, "").split(",") if token.strip()]
    choices = Choices(
        pipeline=pipeline,
        model=model,
        host=host,
        port=port,
        workers=workers,
        tokens=tuple(hashlib.sha256(token.encode()).hexdigest() for token in tokens),
        log=log,
        log_share=log_share,
        confidence=confidence,
        published=published,
        body_bytes=max_body,
        waiting_rows=max_waiting,
    )
    choices.check()
    _check_address(host, port)
    if find_spec("uvicorn") is None or find_spec("prometheus_client") is None:
        raise PlatformError("what a server needs is not installed", next_step="pip install 'mlcore[serving]'")
    with nullcontext() if published is not None else ensure_database(found) as url:
        if published is not None:
            PublishedSource.of(published, pipeline, found.variables).config(model)  # or why there is nothing to serve
        else:
            os.environ["MLCORE_DATABASE_URL"] = str(url)
            if workers > 1:  # which wait for a database that is away: the first start is to say so
                with open_session(replace(found, database_url=url)):
                    pass
        notes.print(f"serving {model} of {pipeline} on http://{host}:{port}/docs", highlight=False)
        serve_until_told(choices)


def _check_address(host: str, port: int) -> None:
    """Check that it can be listened there, before a database is started and a model is loaded."""
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(kind) as asked:
            asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asked.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise PlatformError(
            f"port {port} is taken" if taken else f"it cannot be listened there: {error.strerror or error}",
            where=f"{host}:{port}",
            next_step="end what listens there, or choose another port: --port N" if taken else "see --host and --port",
        ) from error
