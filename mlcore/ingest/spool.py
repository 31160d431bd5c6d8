"""Rows of many spans, in any order, and each span's rows again, in their order: in bounded memory.

What does not fit waits in temporary files that have no name: however a process ends, nothing of them is left. They lie
where the environment variable ``TMPDIR`` says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PENDING_BYTES = 24 << 20
"""What may wait in memory."""
BATCH_ROWS = 65_536
_MIXED_BATCH_ROWS = 4_096
"""Of a file of several parts a batch is kept in memory while its parts are asked for, so it is small."""
Parts = npt.NDArray[np.int64]


class Spool(AbstractContextManager["Spool"]):
    """Rows by part.

    Args:
        schema: Of the rows.
        parts: How many parts there are; rows are added with the number of theirs.
    """

    def __init__(self, schema: pa.Schema, parts: int) -> None:
        self._schema = schema
        self._parts = parts
        self._pending: list[tuple[pa.RecordBatch, Parts]] = []
        self._pending_bytes = 0
        self._runs: list[_Run] = []
        self._last: _Run | None = None

    def add(self, rows: pa.RecordBatch, parts: Parts) -> None:
        """Take in rows, each of the part whose number it has."""
        if self._last is not None:
            raise AssertionError("rows were asked for before all were there")
        self._pending.append((rows, parts))
        self._pending_bytes += rows.nbytes + parts.nbytes
        if self._pending_bytes >= PENDING_BYTES:
            self._runs.append(_FileRun(self._gathered(), self._parts))

    def rows(self, part: int) -> Iterator[pa.RecordBatch]:
        """The rows of a part, in the order in which they were added. Quickest when parts are asked for in order."""
        if self._last is None:
            self._last = _Run(self._gathered(), self._parts)
            self._runs.append(self._last)
        for run in self._runs:
            yield from run.rows(part)

    def __exit__(self, *error: object) -> None:
        for run in self._runs:
            run.close()
        self._runs.clear()
        self._pending.clear()

    def _gathered(self) -> tuple[pa.Table, Parts]:
        """What waits, its parts together and each in its order."""
        table = pa.Table.from_batches([rows for rows, _ in self._pending], self._schema)
        parts = np.concatenate([parts for _, parts in self._pending]) if self._pending else np.empty(0, np.int64)
        self._pending, self._pending_bytes = [], 0
        if (parts[1:] < parts[:-1]).any():
            order = np.argsort(parts, kind="stable")
            table, parts = table.combine_chunks().take(pa.array(order)), parts[order]
        return table, parts


class _Run:
    """Rows in memory."""

    def __init__(self, sorted_rows: tuple[pa.Table, Parts], parts: int) -> None:
        table, of = sorted_rows
        self.edges = np.searchsorted(of, np.arange(parts + 1))
        self._table = table

    def rows(self, part: int) -> Iterator[pa.RecordBatch]:
        start, end = int(self.edges[part]), int(self.edges[part + 1])
        yield from self._table.slice(start, end - start).to_batches(max_chunksize=BATCH_ROWS)

    def close(self) -> None:
        pass


class _FileRun(_Run):
    """Rows in a file."""

    def __init__(self, sorted_rows: tuple[pa.Table, Parts], parts: int) -> None:
        super().__init__(sorted_rows, parts)
        table, self._table = self._table, None
        several = np.count_nonzero(np.diff(self.edges)) > 1
        batches = table.to_batches(max_chunksize=_MIXED_BATCH_ROWS if several else BATCH_ROWS)
        self._starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
        with pa.ipc.new_file(pa.PythonFile(self._file, "w"), table.schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        self._reader: Any = None
        self._kept: tuple[int, pa.RecordBatch] | None = None

    def rows(self, part: int) -> Iterator[pa.RecordBatch]:
        start, end = int(self.edges[part]), int(self.edges[part + 1])
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < end:
            first, last = int(self._starts[number]), min(int(self._starts[number + 1]), end)
            yield self._batch(number).slice(start - first, last - start)
            start, number = last, number + 1
        if end == self.edges[-1]:
            self._kept = None

    def _batch(self, number: int) -> pa.RecordBatch:
        if self._reader is None:
            self._file.seek(0)
            self._reader = pa.ipc.open_file(pa.PythonFile(self._file, "r"))
        if self._kept is None or self._kept[0] != number:
            self._kept = (number, self._reader.get_batch(number))
        return self._kept[1]

    def close(self) -> None:
        self._reader = self._kept = None
        self._file.close()
