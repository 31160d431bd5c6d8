"""Which rows have the key of an earlier row: in bounded memory, by hashes of 128 bits.

Keys with different hashes are different; keys with equal hashes are taken to be equal. Two different ones among ``n``
keys have an equal hash with a probability of about ``n * n / 2**129``: for a thousand million keys 1.5e-21.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.accumulators.hashing import Hashes, hashed, of_numbers

RUN_ROWS = 1 << 19
"""So many hashes wait in memory; more of them wait in sorted runs on disk."""
_SECOND = 0x5851F42D4C957F2D
_MISSING = np.uint64(0xD1B54A32D192ED03)
_FACTOR = np.uint64(0x9E6C63D0876A9A35)
_BUCKET_BITS = 12
_BUCKETS = 1 << _BUCKET_BITS
_ENTRY = np.dtype([("first", np.uint64), ("second", np.uint64), ("row", np.int64)])
_Entries = npt.NDArray[np.void]
_Rows = npt.NDArray[np.int64]


def key_hashes(rows: pa.RecordBatch, columns: Sequence[str], *, seed: int = 0) -> Hashes:
    """64 bits of each row's key; those of another seed are independent of them. Zeros are equal, and NaNs are."""
    state: Hashes | None = None
    for name in columns:
        values = _hashes_of(rows.column(name), seed)
        state = values if state is None else _mixed(state * _FACTOR + values)
    assert state is not None  # a key has a column
    return state


def exact_hashes(rows: pa.RecordBatch, *, seed: int = 0) -> Hashes:
    """64 bits of each row's values in all columns, floats by their bits: what a file would not hold alike differs."""
    state = np.full(rows.num_rows, seed, np.uint64)
    for column in rows.columns:
        state = _mixed(state * _FACTOR + _hashes_of(column, seed, exact=True))
    return state


class Keys(AbstractContextManager["Keys"]):
    """The keys of many rows, which are numbered as they are added, from 0."""

    def __init__(self) -> None:
        self._rows = 0
        self._pending: list[_Entries] = []
        self._pending_rows = 0
        self._runs: list[_Run] = []

    def add(self, rows: pa.RecordBatch, columns: Sequence[str], groups: npt.NDArray[np.int64] | None = None) -> None:
        """Take in the keys of rows; equal keys of different groups are different ones."""
        entries = np.empty(rows.num_rows, _ENTRY)
        for lane, seed in (("first", 0), ("second", _SECOND)):
            found = key_hashes(rows, columns, seed=seed)
            entries[lane] = found if groups is None else _mixed(found + _mixed(groups.view(np.uint64)))
        entries["row"] = np.arange(self._rows, self._rows + rows.num_rows)
        self._rows += rows.num_rows
        self._pending.append(entries)
        self._pending_rows += rows.num_rows
        if self._pending_rows >= RUN_ROWS:
            self._runs.append(_Run(self._gathered()))

    def repeats(self) -> tuple[_Rows, _Rows]:
        """The rows that have the key of an earlier one, in their order; and of each the first row that has its key."""
        again, first = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for entries in self._sorted_ranges():
            found = _repeated(entries)
            again.append(found[0])
            first.append(found[1])
        rows, of = np.concatenate(again), np.concatenate(first)
        order = np.argsort(rows)
        return rows[order], of[order]

    def hashes(self) -> Iterator[Hashes]:
        """The distinct hashes of 64 bits, ascending, some at a time."""
        for entries in self._sorted_ranges():
            first = entries["first"]
            yield first[np.concatenate(([True], first[1:] != first[:-1]))] if len(first) else first

    def __exit__(self, *error: object) -> None:
        for run in self._runs:
            run.close()
        self._runs.clear()
        self._pending.clear()

    def _gathered(self) -> _Entries:
        entries = np.concatenate(self._pending) if self._pending else np.empty(0, _ENTRY)
        self._pending, self._pending_rows = [], 0
        return entries[np.argsort(entries["first"])]

    def _sorted_ranges(self) -> Iterator[_Entries]:
        """All entries by their first hash, some at a time; equal ones are never apart."""
        if not self._runs:
            self._pending = [self._gathered()]
            yield self._pending[0]
            return
        if self._pending:
            self._runs.append(_Run(self._gathered()))
        ends = np.sum([run.edges for run in self._runs], axis=0)
        bucket = 0
        while bucket < _BUCKETS:
            until = max(int(np.searchsorted(ends, ends[bucket] + RUN_ROWS, side="right")) - 1, bucket + 1)
            entries = np.concatenate([run.read(bucket, until) for run in self._runs])
            yield entries[np.argsort(entries["first"])]
            bucket = until


class _Run:
    """Sorted entries in a file."""

    def __init__(self, entries: _Entries) -> None:
        buckets = entries["first"] >> np.uint64(64 - _BUCKET_BITS)
        self.edges = np.searchsorted(buckets, np.arange(_BUCKETS + 1, dtype=np.uint64))
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the keys
        self._file.write(entries.tobytes())

    def read(self, start: int, end: int) -> _Entries:
        """The entries of some buckets."""
        first, last = int(self.edges[start]), int(self.edges[end])
        self._file.seek(first * _ENTRY.itemsize)
        return np.frombuffer(self._file.read((last - first) * _ENTRY.itemsize), _ENTRY)

    def close(self) -> None:
        self._file.close()


def _repeated(entries: _Entries) -> tuple[_Rows, _Rows]:
    """Of entries sorted by their first hash: the rows of repeated keys, and the first row of each."""
    same = entries["first"][1:] == entries["first"][:-1]
    if not same.any():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    member = np.zeros(len(entries), bool)
    member[1:] |= same
    member[:-1] |= same
    few = entries[member]
    few = few[np.lexsort((few["row"], few["second"], few["first"]))]
    again = np.zeros(len(few), bool)
    again[1:] = (few["first"][1:] == few["first"][:-1]) & (few["second"][1:] == few["second"][:-1])
    starts = np.maximum.accumulate(np.where(again, 0, np.arange(len(few))))
    return few["row"][again], few["row"][starts[again]]


def _hashes_of(column: pa.Array, seed: int, *, exact: bool = False) -> Hashes:
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    values = hashed(_bits(column) if exact and pa.types.is_floating(column.type) else _plain(column), seed=seed)
    return values if missing is None else np.where(missing, _MISSING, values)


def _plain(column: pa.Array) -> pa.Array:
    """The values as ones that have a hash: strings, whole numbers or floats, none of them missing."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return column.fill_null("" if pa.types.is_string(kind) else b"")
    if pa.types.is_decimal(kind):
        return column.cast(pa.string()).fill_null("")
    if pa.types.is_floating(kind):
        floats = pc.fill_null(column, 0.0).cast(pa.float64())
        return pa.array(np.where(np.isnan(floats), np.nan, floats.to_numpy(zero_copy_only=False) + 0.0))
    if pa.types.is_date32(kind):
        column = column.cast(pa.int32())
    return pc.fill_null(column.cast(pa.int64(), safe=False), 0)


def _bits(column: pa.Array) -> pa.Array:
    """Floats as the whole numbers that have their bits."""
    return pa.array(pc.fill_null(column, 0.0).cast(pa.float64()).to_numpy(zero_copy_only=False).view(np.int64))


def _mixed(bits: Hashes) -> Hashes:
    return of_numbers(bits.view(np.int64))
