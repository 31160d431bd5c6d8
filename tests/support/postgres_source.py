"""Tables to read from, and a server that tests may restart."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa

from mlcore.config.sources import PostgresSource
from mlcore.core.window import Span, parse_moment
from mlcore.ingest.postgres.address import address_of
from mlcore.ingest.postgres.extract import Extracted, Request
from mlcore.platform.keeper import programs
from mlcore.platform.privileges import postgres_account

START = parse_moment("2024-01-01T00:00Z")


def days(count: int, grain: timedelta = timedelta(days=1)) -> tuple[Span, ...]:
    """Spans from the first of January 2024 on."""
    return tuple(Span(start=START + number * grain, end=START + (number + 1) * grain) for number in range(count))


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, each in a transaction of its own; the rows of the last, if it has any."""
    with contextlib.closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []


def make_request(
    url: str,
    *,
    columns: Mapping[str, pa.DataType] | None = None,
    spans: Sequence[Span] = (),
    key: Sequence[str] = ("id",),
    moment: str = "at",
    **source: Any,
) -> Request:
    """Read ``table`` or ``query``; the address is in the environment."""
    section = PostgresSource(type="postgres", url="${DB}", **source)
    return Request(
        source=section,
        address=address_of(section, {"DB": url}),
        columns=columns,
        event_timestamp=moment,
        key=tuple(key),
        spans=tuple(spans) or days(10),
    )


def rows_of(extracted: Extracted) -> pa.Table:
    """All rows, span after span."""
    return pa.concat_tables([pa.ipc.open_file(pa.memory_map(str(span.path))).read_all() for span in extracted.spans])


class Server:
    """A PostgreSQL of one's own, which may be stopped and started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._account = postgres_account(self._data, (programs() / "postgres", self._data))
        if self._account:
            os.chown(folder, self._account.uid, self._account.gid)
        self.url = f"postgresql://mlcore@/postgres?host={folder}&port={self.port}"

    def make(self) -> None:
        arguments = ("-U", "mlcore", "--auth=scram-sha-256", "--auth-local=trust", "--no-instructions", "-E", "UTF8")
        self._call("initdb", "-D", str(self._data), *arguments)

    def control(self, *arguments: str) -> None:
        """``pg_ctl`` with these arguments."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder}
        options = " ".join(f"-c {name}='{value}'" for name, value in (settings | {"fsync": "off"}).items())
        self._call("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._folder / "log"), "-o", options, *arguments)

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
            timeout=120,
            preexec_fn=self._account.become if self._account else None,
        )


@contextmanager
def own_server() -> Iterator[Server]:
    """A started server; its folder has a short name, as the path of a socket must."""
    folder = Path(tempfile.mkdtemp(prefix="mlpg-"))
    server = Server(folder)
    try:
        server.make()
        server.control("start")
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.control("stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)
