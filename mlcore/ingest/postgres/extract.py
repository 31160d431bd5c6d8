"""Spans of a PostgreSQL table or query, read once, as of one moment, whatever happens on the way."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import pyarrow as pa

from mlcore.config.sources import PostgresSource
from mlcore.core.window import Span
from mlcore.ingest.postgres.address import Address
from mlcore.ingest.postgres.connection import SourceUnavailable, cancel, one_snapshot
from mlcore.ingest.postgres.copy import copy_batches
from mlcore.ingest.postgres.plan import Part, plan
from mlcore.ingest.postgres.relation import Relation, describe, table_sql
from mlcore.ingest.postgres.stage import SpanFile, Stage, StagedSpan
from mlcore.ingest.postgres.survey import Counted, Survey, survey
from mlcore.ingest.postgres.types import schema_of

_LOG = logging.getLogger(__name__)
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to read, and from where.

    Attributes:
        source: Table or query.
        address: The database.
        columns: The columns with their Arrow types, in order; ``None`` for all, in types of their own.
        event_timestamp: The column that says which span a row is of; one of the columns.
        key: The columns that rows are sorted by.
        spans: In time order.
    """

    source: PostgresSource
    address: Address
    columns: Mapping[str, pa.DataType] | None
    event_timestamp: str
    key: tuple[str, ...]
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Extracted:
    """What was read.

    Attributes:
        spans: In the order of the request; a span without rows has an empty file.
        undated: Rows of the relation that have no event timestamp, and so are of no span.
        attempts: How often reading was begun.
    """

    spans: tuple[StagedSpan, ...]
    undated: int
    attempts: int


def count_spans(request: Request) -> Survey:
    """Rows and marks of the spans; see :class:`Counted`. No row leaves the server.

    Raises:
        ConfigError: The source does not have the columns, or the server refuses the connection.
        DataError: The database cannot be read.
    """

    def once(_: int) -> Survey:
        with one_snapshot(request.address, table_sql(request.source), 1) as (connection,):
            return survey(connection, request.address, relation_of(request, connection), request.spans, marks=True)

    return retried(request.address, once)


def extract(request: Request, folder: Path) -> Extracted:
    """Read the spans into a folder: one sorted Arrow file a span, all from one snapshot.

    Each row is read once, by COPY, on ``source.connections`` connections. When the connection is lost everything is
    read again from a new snapshot, a bounded number of times; what was read before is thrown away.

    Raises:
        ConfigError: The source does not have the columns in readable types, or the server refuses the connection.
        MalformedData: A value has no exact form in its column's type.
        DataError: The database cannot be read.
    """

    def once(attempt: int) -> Extracted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        staged, undated = _extract(request, folder)
        return Extracted(spans=staged, undated=undated, attempts=attempt)

    return retried(request.address, once)


def retried(address: Address, once: Callable[[int], _Result]) -> _Result:
    """What ``once`` returns, called with the number of the attempt, again after a pause when the database is gone."""
    attempt = 1
    while True:
        try:
            return once(attempt)
        except SourceUnavailable as error:
            if attempt > len(_PAUSES_SECONDS):
                raise SourceUnavailable(
                    f"{error.what} (tried {attempt} times)", where=error.where, next_step=error.next_step
                ) from error
            pause = _PAUSES_SECONDS[attempt - 1]
            _LOG.warning("%s: %s; reading again from a new snapshot in %.1f s", address, error.what, pause)
            time.sleep(pause)
            attempt += 1


def relation_of(request: Request, connection: Any) -> Relation:
    """What a request reads, as the connection's snapshot has it."""
    return describe(
        connection,
        request.address,
        request.source,
        columns=request.columns,
        event_timestamp=request.event_timestamp,
        key=request.key,
    )


def _extract(request: Request, folder: Path) -> tuple[tuple[StagedSpan, ...], int]:
    source, address = request.source, request.address
    runs = folder / "runs"
    runs.mkdir()
    with one_snapshot(address, table_sql(source), source.connections) as connections:
        relation = relation_of(request, connections[0])
        found = survey(connections[0], address, relation, request.spans)
        parts = plan(relation, request.spans, found.spans, connections=source.connections)
        schema = schema_of(relation.columns)
        stage = Stage(runs, schema, request.event_timestamp, request.spans)
        paths = [folder / f"{span.label}.arrow" for span in request.spans]
        reader = _Reader(address, relation, stage, paths)
        reader.read_all(connections, parts)
    staged = []
    for index, (span, path) in enumerate(zip(request.spans, paths, strict=True)):
        rows, digest = reader.whole.get(index) or stage.span(index, path, request.key)
        _check_count(address, span, found.spans[index], rows)
        staged.append(StagedSpan(span=span, path=path, rows=rows, digest=digest))
    shutil.rmtree(runs)
    return tuple(staged), found.undated


def _check_count(address: Address, span: Span, counted: Counted, rows: int) -> None:
    if counted.rows != rows:
        raise SourceUnavailable(
            f"{counted.rows} rows of the span {span.label} were counted and {rows} read",
            where=str(address),
            next_step="let data.source.query give the same rows whenever it is asked in one transaction",
        )


class _Reader:
    """The threads that copy: one a connection, each takes the next part until none is left.

    Attributes:
        whole: Rows and digest by index of the spans that were read each by itself.
    """

    def __init__(self, address: Address, relation: Relation, stage: Stage, paths: Sequence[Path]) -> None:
        self.whole: dict[int, tuple[int, str]] = {}
        self._address = address
        self._relation = relation
        self._stage = stage
        self._paths = paths
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._copying: set[int] = set()

    def read_all(self, connections: Sequence[Any], parts: Sequence[Part]) -> None:
        """Run every part.

        Raises:
            MlcoreError: The first failure of any; the others are ended.
        """
        queue: SimpleQueue[Part] = SimpleQueue()
        for part in parts:
            queue.put(part)
        used = connections[: len(parts)]
        with ThreadPoolExecutor(max(len(used), 1), thread_name_prefix="copy") as pool:
            try:
                wait([pool.submit(self._work, connection, queue, used) for connection in used])
            finally:
                self._stopped.set()
                if self._copying:  # interrupted by a signal: nobody waits for what is still being sent
                    cancel(used)
        if self._failure is not None:
            raise self._failure

    def _work(self, connection: Any, queue: SimpleQueue[Part], connections: Sequence[Any]) -> None:
        self._copying.add(id(connection))
        try:
            while not self._stopped.is_set():
                self._copy(connection, queue.get_nowait())
        except Empty:
            pass
        except BaseException as error:
            with self._lock:
                first, self._failure = self._failure is None, self._failure or error
            if first:  # the others then fail because they were cancelled, which is no news
                self._stopped.set()
                cancel([other for other in connections if other is not connection])
        finally:
            self._copying.discard(id(connection))

    def _copy(self, connection: Any, part: Part) -> None:
        columns = self._relation.columns
        if part.span is None:
            copy_batches(connection, self._address, part.sql, columns, self._stage.add)
            return
        file = SpanFile(self._paths[part.span], schema_of(columns))
        try:
            copy_batches(connection, self._address, part.sql, columns, file.add)
        finally:
            digest = file.close()
        self.whole[part.span] = (file.rows, digest)
