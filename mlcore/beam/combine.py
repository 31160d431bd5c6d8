"""One job over many Parquet files: a state a shard, states folded in shard order, one file a key.

Elements are shards, record batches and states; never rows. The fold order is that of the shards, whatever worker was
first, so that the bytes written are the same on every runner.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

import mlcore.errors
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

BATCH_ROWS = 65_536


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A Parquet file whose rows belong to ``key``.

    Attributes:
        key: What it is folded into, and named after.
        path: The file.
        target: The file that the key's folded state is written to; the same for all shards of a key.
    """

    key: str
    path: str
    target: str


def accumulate(
    shards: Sequence[Shard],
    *,
    make: Callable[[Iterable[pa.RecordBatch]], bytes],
    fold: Callable[[Sequence[bytes]], bytes],
    columns: Sequence[str] | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Write one state a key.

    Args:
        shards: What to read, in the order to fold in.
        make: From a shard's record batches to its state; must be picklable.
        fold: From the states of a key, in shard order, to one.
        columns: Only these columns are read.
        options: Beam's; by default in this process.

    Raises:
        MlcoreError: What ``make`` or ``fold`` raised, of the first shard in order.
    """
    import apache_beam as beam

    from mlcore.beam.options import local_options

    scratch = Path(tempfile.mkdtemp(prefix="mlcore-beam-"))
    try:
        with beam.Pipeline(options=options or local_options()) as pipeline:
            states = (
                pipeline
                | "Shards" >> beam.Create(list(enumerate(shards)))
                | "Spread" >> beam.Reshuffle()
                | "Accumulate" >> beam.FlatMap(_Accumulate(make, columns, scratch))
            )
            _ = states | "ByKey" >> beam.GroupByKey() | "Write" >> beam.Map(_Write(fold, scratch))
        _raise_first_failure(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Accumulate:
    make: Callable[[Iterable[pa.RecordBatch]], bytes]
    columns: Sequence[str] | None
    scratch: Path

    def __call__(self, element: tuple[int, Shard]) -> Iterator[tuple[tuple[str, str], tuple[int, bytes]]]:
        index, shard = element
        try:
            state = self.make(_batches(shard.path, self.columns))
        except MlcoreError as error:
            _record_failure(self.scratch, index, error)
        else:
            yield (shard.key, shard.target), (index, state)


@dataclass(frozen=True, slots=True)
class _Write:
    fold: Callable[[Sequence[bytes]], bytes]
    scratch: Path

    def __call__(self, element: tuple[tuple[str, str], Iterable[tuple[int, bytes]]]) -> None:
        (_, target), states = element
        ordered = sorted(states)
        try:
            folded = self.fold([state for _, state in ordered])
        except MlcoreError as error:
            _record_failure(self.scratch, ordered[0][0], error)
        else:
            _write(Path(target), folded)


def _batches(path: str, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(
            batch_size=BATCH_ROWS, columns=None if columns is None else list(columns), use_threads=False
        )


def _write(target: Path, content: bytes) -> None:
    """A worker may be retried while its first try still writes: the file appears whole, or not at all."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    with open(handle, "wb") as file:  # noqa: PTH123 - the handle is open already
        file.write(content)
    Path(name).replace(target)


def _record_failure(scratch: Path, index: int, error: MlcoreError) -> None:
    """Runners turn exceptions into text; a failure is data instead, and raised where the job was started."""
    record: dict[str, Any] = {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "next_step": error.next_step,
    }
    _write(scratch / f"{index:09d}.json", json.dumps(record).encode())


def _raise_first_failure(scratch: Path) -> None:
    for path in sorted(scratch.glob("*.json")):
        record = json.loads(path.read_bytes())
        kind: type[MlcoreError] = getattr(mlcore.errors, record["type"], MlcoreError)
        raise kind(record["what"], where=record["where"], next_step=record["next_step"])
