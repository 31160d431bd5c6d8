"""Jobs that any engine can run: rows, how to divide them, and functions that workers in other processes can import."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import WriteOptions, write_csv

from mlcore.beam.combine import Shard, accumulate
from mlcore.config.beam import Beam
from mlcore.errors import DataError
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import from_bytes, to_bytes

_Result = TypeVar("_Result")
PARTITIONINGS = ((1,), (0.5, 0.5), (0.1, 0.0, 0.6, 0.3), (0.25, 0.05, 0.2, 0.3, 0.1, 0.1))
"""Shares of the rows that each shard of one key holds."""
PART_ROWS = 1_000
"""Less than most shards have: those are read in parts."""


def make_rows(seed: int, rows: int = 4_000) -> pa.Table:
    """Numbers of many magnitudes, text, and holes."""
    generator = np.random.default_rng(seed)
    numbers = generator.normal(size=rows) * 10.0 ** generator.integers(-8, 9, rows)
    return pa.table(
        {
            "carrier": pa.array(generator.integers(0, 40, rows).astype(str), mask=generator.random(rows) < 0.05),
            "distance": pa.array(numbers, mask=generator.random(rows) < 0.1),
            "count": pa.array(generator.integers(-9, 9, rows)),
        }
    )


def write_shards(folder: Path, table: pa.Table) -> list[Shard]:
    """One key for every partitioning of the same rows, which are written to ``folder``."""
    shards = []
    for number, shares in enumerate(PARTITIONINGS):
        start = 0
        for part, share in enumerate(shares):
            stop = table.num_rows if part == len(shares) - 1 else start + round(share * table.num_rows)
            path = folder / f"{number}-{part}.parquet"
            pq.write_table(table.slice(start, stop - start), path, row_group_size=700)
            shards.append(Shard(key=str(number), path=str(path), target=str(folder / f"{number}.state")))
            start = stop
    return shards


def state_of(batches: Iterable[pa.RecordBatch]) -> bytes:
    return to_bytes(DatasetAccumulator.of(batches))


def merged(states: Sequence[bytes]) -> bytes:
    return to_bytes(DatasetAccumulator.merge([from_bytes(state) for state in states]))


def rows_read(batches: Iterable[pa.RecordBatch]) -> bytes:
    """What was read, to the last value, and in which order."""
    buffer = io.BytesIO()
    write_csv(pa.Table.from_batches(batches), buffer, WriteOptions(include_header=False))
    return buffer.getvalue()


def joined(states: Sequence[bytes]) -> bytes:
    return b"".join(states)


@dataclass(frozen=True)
class Gated:
    """``make`` that waits in the worker until the file ``open`` is there, and says in which process it waits."""

    make: Callable[[Iterable[pa.RecordBatch]], bytes]
    folder: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> bytes:
        folder = Path(self.folder)
        (folder / f"{os.getpid()}.waiting").touch()
        end = time.monotonic() + 60
        while not (folder / "open").exists():
            if time.monotonic() > end:
                raise DataError("nobody opened the gate", where=self.folder, next_step="look at the test")
            time.sleep(0.02)
        return self.make(batches)


def digests(
    shards: Sequence[Shard],
    engine: Beam | None,
    *,
    make: Callable[[Iterable[pa.RecordBatch]], bytes] = state_of,
    fold: Callable[[Sequence[bytes]], bytes] = merged,
) -> list[str]:
    """The SHA-256 of every key's state, computed on this engine."""
    targets = sorted({Path(shard.target) for shard in shards})
    for target in targets:
        target.unlink(missing_ok=True)
    accumulate(shards, make=make, fold=fold, part_rows=PART_ROWS, engine=engine)
    return [hashlib.sha256(target.read_bytes()).hexdigest() for target in targets]


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """The result of ``work``; a job that hangs fails its test instead of holding up all others."""
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no result after {seconds:.0f} s")
    return results[0]
