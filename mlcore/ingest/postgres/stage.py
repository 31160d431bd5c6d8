"""Rows of many spans, in any order and from several threads, to one sorted file a span; in bounded memory."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlcore.core.window import Span
from mlcore.ingest.postgres.content import RowsDigest, in_order
from mlcore.ingest.postgres.types import UTC_MOMENT

BATCH_ROWS = 65_536
PENDING_BYTES = 48 << 20
"""What may wait in memory before it is written to a run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedSpan:
    """One span as it was read.

    Attributes:
        span: Which.
        path: An Arrow file with its rows, sorted by the key.
        rows: How many.
        digest: Digest of the rows: the same for the same rows, however the database stores and sends them.
    """

    span: Span
    path: Path
    rows: int
    digest: str


class SpanFile:
    """Writes a span's rows, which come in order, and digests them."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._digest = RowsDigest(schema)
        self._writer = pa.ipc.new_file(str(path), schema)

    def add(self, rows: pa.RecordBatch) -> None:
        self.rows += rows.num_rows
        self._digest.add(rows)
        self._writer.write_batch(rows)

    def close(self) -> str:
        """Close the file; the digest of what is in it."""
        self._writer.close()
        return self._digest.digest()


class Stage:
    """Divides rows by span.

    Rows wait in memory up to a bound, then go to a run: a file that holds each span's rows together. A span's rows
    are gathered from all runs when all are there.

    Args:
        folder: Empty; what is written lies here.
        schema: Of the rows.
        moment: The column that says which span a row is of; None where rows of one span only are added.
        spans: In time order.
    """

    def __init__(self, folder: Path, schema: pa.Schema, moment: str, spans: Sequence[Span]) -> None:
        self._folder = folder
        self._schema = schema
        self._moment = moment
        self._edges = np.array([_microseconds(edge) for span in spans for edge in (span.start, span.end)])
        self._pending: dict[int, list[pa.RecordBatch]] = defaultdict(list)
        self._pending_bytes = 0
        self._runs: list[Path] = []
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in rows of any spans; those of none are left out."""
        pieces = list(self._divided(rows))
        with self._lock:
            for index, piece in pieces:
                self._pending[index].append(piece)
            self._pending_bytes += rows.nbytes
            if self._pending_bytes >= PENDING_BYTES:
                self._spill()

    def span(self, index: int, path: Path, key: Sequence[str]) -> tuple[int, str]:
        """Write a span's rows in order; how many there are, and their digest."""
        table = in_order(self._gathered(index).combine_chunks(), key)
        file = SpanFile(path, self._schema)
        for batch in table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
            file.add(batch)
        return file.rows, file.close()

    def _divided(self, rows: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        moments = rows.column(self._moment).cast(UTC_MOMENT).cast(pa.int64()).to_numpy()
        edge = np.searchsorted(self._edges, moments, side="right")
        # Neighbours share an edge, which is there twice: what is equal to it is beyond both.
        inside, index = edge % 2 == 1, (edge // 2).astype(np.uint16 if len(self._edges) < 2**16 else np.int64)
        if not inside.all():
            rows, index = rows.filter(pa.array(inside)), index[inside]
        if not rows.num_rows:
            return
        if (index[1:] < index[:-1]).any():
            order = np.argsort(index, kind="stable")
            rows, index = rows.take(pa.array(order)), index[order]
        starts = np.flatnonzero(np.concatenate(([True], index[1:] != index[:-1])))
        for start, end in zip(starts, [*starts[1:], len(index)], strict=True):
            yield int(index[start]), rows.slice(start, end - start)

    def _spill(self) -> None:
        path = self._folder / f"run-{len(self._runs)}.arrow"
        with pa.ipc.new_file(str(path), self._schema) as writer:
            for number, (index, pieces) in enumerate(sorted(self._pending.items())):
                writer.write_batch(_combined(pieces, self._schema))
                self._places[index].append((len(self._runs), number))
        self._runs.append(path)
        self._pending.clear()
        self._pending_bytes = 0

    def _gathered(self, index: int) -> pa.Table:
        batches = []
        for run, number in self._places[index]:
            with _opened(self._runs[run]) as file:
                batches.append(file.get_batch(number))
        return pa.Table.from_batches([*batches, *self._pending.pop(index, [])], self._schema)


@contextmanager
def _opened(path: Path) -> Iterator[pa.ipc.RecordBatchFileReader]:
    with pa.OSFile(str(path)) as source:
        yield pa.ipc.open_file(source)


def _combined(pieces: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    return pa.Table.from_batches(pieces, schema).combine_chunks().to_batches()[0]


def _microseconds(moment: object) -> int:
    return int(pa.scalar(moment, UTC_MOMENT).value)
