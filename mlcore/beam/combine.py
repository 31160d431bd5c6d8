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

from mlcore.beam.engine import prepared
from mlcore.beam.failures import Failure, raise_recorded, record_of
from mlcore.beam.files import batches, parts, place, write
from mlcore.beam.options import LOCAL
from mlcore.config.beam import Beam
from mlcore.errors import UNWRITABLE_NEXT, ArtifactError, EngineError, MlcoreError, quoted

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

PART_ROWS = 1 << 20
"""A shard of more rows is read in parts of about so many, by as many workers as there are."""
_MOST_QUOTED = 600
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
    failures.unlink(missing_ok=True)
    with prepared(engine) as options:
        try:
            stages = _Stages(_Divide(part_rows), _Accumulate(make, columns, dictionaries), _Write(fold))
            _run(shards, stages, _WriteFailures(str(failures)), options)
        except ArtifactError as error:  # not even the failures could be written; the runner kept the first line only
            raise ArtifactError(error.what, where=str(target), next_step=UNWRITABLE_NEXT) from error
        except Exception as error:
            if engine is None or engine.runner == LOCAL.runner:
                raise  # in this process it is what was raised
            raise _job_failed(engine, error) from error
    raise_recorded(failures)


def _run(shards: Sequence[Shard], stages: _Stages, fail: _WriteFailures, options: PipelineOptions) -> None:
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


def _job_failed(engine: Beam, error: Exception) -> EngineError:
    return EngineError(
        f"the Beam job failed on {engine.runner}: {quoted(str(error), _MOST_QUOTED)}",
        where=str(engine.options.get("flink_master") or engine.options.get("spark_master_url") or engine.runner),
        next_step="look into the logs of the cluster and of its Python workers; nothing was published, run again",
    )


Place = tuple[int, int]
"""In the order of folding: the shard's index, and its part's."""
Keyed = tuple[tuple[str, str], tuple[Place, bytes, Failure]]
"""Key and target; the place, and the state or why there is none."""


@dataclass(frozen=True, slots=True)
class _Divide:
    part_rows: int

    def __call__(self, element: tuple[int, Shard]) -> Iterator[tuple[Place, Shard, range | None]]:
        index, shard = element
        try:
            divided: Sequence[range | None] = parts(shard.path, self.part_rows)
        except MlcoreError:
            divided = [None]  # reading it will say what is wrong
        for part, groups in enumerate(divided):
            yield (index, part), shard, groups if len(divided) > 1 else None


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
    divide: _Divide
    accumulate: _Accumulate
    write: _Write


@dataclass(frozen=True, slots=True)
class _WriteFailures:
    path: str

    def __call__(self, element: tuple[str, Iterable[tuple[Place, Failure]]]) -> None:
        _, failures = element
        write(self.path, min(failures)[1].encode())
