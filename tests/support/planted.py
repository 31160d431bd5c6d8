"""Secrets that are planted where a user would give them, and how they are found again, however they are written."""

from __future__ import annotations

import gzip
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import create_engine, text


class Planted:
    """Texts that nobody may ever see again, by what they are."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}
        self._looks: dict[str, tuple[bytes, ...]] = {}

    def __call__(self, name: str, form: str = "planted-{}") -> str:
        """A secret, the same for a name; ``form`` has a place for what no other text holds."""
        if name not in self._made:
            core = secrets.token_hex(12)
            self._made[name] = form.format(core)
            self._looks[name] = tuple(_looks(core.encode()))
        return self._made[name]

    def add(self, name: str, secret: str) -> None:
        """One that somebody else made."""
        self._made[name], self._looks[name] = secret, (secret.encode(),)

    def found_in(self, data: str | bytes) -> list[str]:
        """The names of those that a text holds, as they are, in hexadecimal digits or in base 64."""
        data = data.encode() if isinstance(data, str) else data
        return [name for name, looks in self._looks.items() if any(look in data for look in looks)]


def _looks(core: bytes) -> Iterator[bytes]:
    yield core
    yield core.hex().encode()
    for before in range(3):  # where in a group of three bytes it begins
        yield b64encode(b"\0" * before + core)[4 * bool(before) : -4]


def rows(url: str) -> Iterator[str]:
    """Every row of every table of a database, as text."""
    engine = create_engine(url)
    named = (
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    with engine.connect() as connection:
        for schema, table in connection.execute(text(named)).all():
            for row in connection.execute(text(f'SELECT to_jsonb(t)::text FROM "{schema}"."{table}" t')):
                yield f"{table}: {row[0]}"
    engine.dispose()


def files(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below the folders, those that are compressed as they were before."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                yield path, gzip.decompress(data) if path.suffix == ".gz" else data


def command_lines() -> Iterator[str]:
    """What everybody on this machine may read of its processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue


@contextmanager
def watched(*, every_seconds: float = 1.0) -> Iterator[set[str]]:
    """The command lines of all processes that were seen meanwhile."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(every_seconds):
            seen.update(command_lines())

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        ended.set()
        looking.join()


class Echo:
    """An HTTP server that refuses everybody, and repeats what it was sent: address, headers and all."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def refuse(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                said = f"no {self.command} of {self.path} with {dict(self.headers)}"
                echo.asked.append(said)
                self.send_response(403)
                self.send_header("Content-Length", str(len(said.encode())))
                self.end_headers()
                self.wfile.write(said.encode())

            do_GET = do_POST = do_PUT = do_PATCH = refuse  # noqa: N815 - as http.server calls them

            def log_message(self, *args: object) -> None:
                pass

        return Handler
