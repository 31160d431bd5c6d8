"""A real HTTP server that takes OpenLineage events, goes away and comes back at the same address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint:
    """Keeps what it is sent.

    Attributes:
        events: Of every request that it answered with 201, in their order.
        headers: Likewise.
        answer: The status that it answers with.
        after: So many more requests are taken, then the connection is closed without an answer; ``None``: all are.
    """

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer = 201
        self.after: int | None = None
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Be there, from now on."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Be gone: nothing answers at the address."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Gone for as long."""
        self.stop()
        yield
        self.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if endpoint.after is not None:
                    if not endpoint.after:
                        return  # without an answer
                    endpoint.after -= 1
                if endpoint.answer < 300:
                    endpoint.events.append(json.loads(body))
                    endpoint.headers.append(dict(self.headers))
                said = f"you sent {self.headers.get('Authorization', '')} to {self.path}".encode()
                self.send_response(endpoint.answer)
                self.send_header("Content-Length", str(len(said)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """One that is there."""
    found = Endpoint()
    found.start()
    try:
        yield found
    finally:
        found.stop()
