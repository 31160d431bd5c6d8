"""One job over many Parquet files: a state a part of a shard, states folded in order, one file a key.

Elements are parts of files, record batches and states; never rows. How a large file is divided depends on its row
groups alone, and the fold order is that of the shards and of their parts, whatever worker was first: the bytes
written are the same on every runner, with any number of workers. Workers and caller share nothing but the files that
the shards name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mlcore.beam.failures import Failure, record_of
from mlcore.beam.files import batches, place, write
from mlcore.beam.jobs import PART_ROWS, Divide, Place, WriteFailures, running
from mlcore.config.beam import Beam
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

Make = Callable[[Iterable[pa.RecordBatch]], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A Parquet file whose rows belong to ``key``.

    Attributes:
        key: What it is folded into, and named after.
        path: The file, a path or a URL.
        target: The file that the key's folded state is written to; the same for all shards of a key.
    """

    key: str
    path: str
    target: str


def accumulate(
    shards: Sequence[Shard],
    *,
    make: Make | Mapping[str, Make],
    fold: Callable[[Sequence[bytes]], bytes],
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
    part_rows: int = PART_ROWS,
    engine: Beam | None = None,
) -> None:
    """Write one state a key.

    A key one of whose shards failed is not written; the others are.

    Args:
        shards: What to read, in the order to fold in.
        make: From the record batches of a part of a shard, one at least, to a state; must be picklable. One, or one
            for each key.
        fold: From the states of a key, in the order of shards and parts, to one; must be picklable.
        columns: Only these columns are read.
        dictionaries: Whether strings are read as dictionaries, which is how Parquet stores them.
        part_rows: A shard of more rows is divided, between two row groups, into parts of at least so many. States
            that are not exact depend on it; nothing else should.
        engine: Where it runs; by default in this process.

    Raises:
        ArtifactMissing: A shard's file is not there.
        ArtifactCorrupt: It is no Parquet file, or lacks a column.
        EngineError: The runner cannot be had, or its job failed.
        MlcoreError: What ``make`` or ``fold`` raised, of the first shard in order.
    """
    if not shards:
        return
    target = place(shards[0].target)
    failures = target.with_name(f".{target.name}-failures")
    stages = _Stages(Divide(part_rows), _Accumulate(make, columns, dictionaries), _Write(fold))
    with running(engine, failures) as options:
        _run(shards, stages, WriteFailures(str(failures)), options)


def _run(shards: Sequence[Shard], stages: _Stages, fail: WriteFailures, options: PipelineOptions) -> None:
    import apache_beam as beam

    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(list(enumerate(shards)))
            | "Divide" >> beam.FlatMap(stages.divide)
            | "Spread" >> beam.Reshuffle()
            | "Accumulate" >> beam.Map(stages.accumulate)
            | "ByKey" >> beam.GroupByKey()
            | "Write" >> beam.FlatMap(stages.write)
            | "Together" >> beam.GroupByKey()
            | "Failures" >> beam.Map(fail)
        )


Keyed = tuple[tuple[str, str], tuple[Place, bytes, Failure]]
"""Key and target; the place, and the state or why there is none."""


@dataclass(frozen=True, slots=True)
class _Accumulate:
    make: Make | Mapping[str, Make]
    columns: Sequence[str] | None
    dictionaries: bool

    def __call__(self, element: tuple[Place, Shard, range | None]) -> Keyed:
        place_, shard, groups = element
        make = self.make if callable(self.make) else self.make[shard.key]
        try:
            read = batches(shard.path, self.columns, dictionaries=self.dictionaries, row_groups=groups)
            result = (place_, make(read), "")
        except MlcoreError as error:
            result = (place_, b"", record_of(error))
        return (shard.key, shard.target), result


@dataclass(frozen=True, slots=True)
class _Write:
    fold: Callable[[Sequence[bytes]], bytes]

    def __call__(
        self, element: tuple[tuple[str, str], Iterable[tuple[Place, bytes, Failure]]]
    ) -> Iterator[tuple[str, tuple[Place, Failure]]]:
        (_, target), results = element
        ordered = sorted(results)
        failed = [(where, failure) for where, _, failure in ordered if failure]
        if not failed:
            try:
                write(target, self.fold([state for _, state, _ in ordered]))
            except MlcoreError as error:
                failed = [(ordered[0][0], record_of(error))]
        for failure in failed:
            yield "", failure


@dataclass(frozen=True, slots=True)
class _Stages:
    divide: Divide[Shard]
    accumulate: _Accumulate
    write: _Write
