"""Fixtures that many tests share: a real PostgreSQL with a fresh migrated database, a mail server, a webhook."""

from __future__ import annotations

import email
import email.policy
import gc
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import settings
from support.databases import clone, create, drop, no_waiting_for_the_disk
from xdist.scheduler import LoadScopeScheduling

from mlcore.metadata.migrate import migrate
from mlcore.platform.postgres import EmbeddedPostgres

# Examples are slow the first time libraries load; how long one takes is no property of the code.
settings.register_profile("mlcore", deadline=None)
settings.load_profile("mlcore")


# Importing Airflow writes a configuration file into its home: not into that of whoever runs the tests.
_airflow_home = tempfile.TemporaryDirectory(prefix="mlcore-tests-airflow-")
os.environ["AIRFLOW_HOME"] = _airflow_home.name


def pytest_collection_finish() -> None:
    """What is imported by now lives as long as the tests: the garbage collector need not look at it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is where a script started the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes that are interrupted here inherit it


class FilesTogether(LoadScopeScheduling):
    """A file's tests stay together (``-n``), and those of the one platform; each worker has a PostgreSQL of its own."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::", 1)[0])
        return str(file.parent if file.parent.name == "e2e" else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """In place of ``--dist``; the longest are collected first."""
    return FilesTogether(config, log)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the maintenance database of an embedded PostgreSQL that lives as long as the tests."""
    home = tmp_path_factory.mktemp("home")
    server = EmbeddedPostgres(Path(home))
    server.start()
    try:
        no_waiting_for_the_disk(server.url("postgres"))
        yield server.url("postgres")
    finally:
        server.stop()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """A migrated database that fresh ones are cloned from."""
    migrate(create(postgres_url, "mlcore_template"))
    return "mlcore_template"


@pytest.fixture
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database."""
    url = clone(postgres_url, template_database)
    yield url
    drop(postgres_url, url)


class MailServer:
    """A real SMTP server on this machine that keeps what it is given, also the passwords of those who log in."""

    def __init__(self) -> None:
        self.messages: list[email.message.EmailMessage] = []
        self.passwords: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self.port, authenticator=self._authenticate, auth_require_tls=False
        )
        self._controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.passwords.append(data.password)
        return AuthResult(success=True)

    def stop(self) -> None:
        self._controller.stop()


class Webhook:
    """A real HTTP server on this machine that keeps the JSON it is sent."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.paths.append(self.path)
                hook.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="session")
def session_mail_server() -> Iterator[MailServer]:
    """A mail server for as long as the tests."""
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def session_webhook() -> Iterator[Webhook]:
    """A webhook for as long as the tests."""
    hook = Webhook()
    yield hook
    hook.stop()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server without mail."""
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A webhook that nobody has called."""
    hook = Webhook()
    yield hook
    hook.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    if not found:
        pytest.skip("there is no Chromium or Chrome on this machine")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]  # for containers
        chromium = playwright.chromium.launch(executable_path=found[0], args=arguments)
        yield chromium
        chromium.close()
