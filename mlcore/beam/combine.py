"""One job over many Parquet files: a state a shard, states folded in shard order, one file a key.

Elements are shards, record batches and states; never rows. The fold order is that of the shards, whatever worker was
first, so that the bytes written are the same on every runner. Workers and caller share nothing but the files that the
shards name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from mlcore.beam.failures import Failure, raise_recorded, record_of
from mlcore.beam.files import batches, place, write
from mlcore.errors import UNWRITABLE_NEXT, ArtifactError, MlcoreError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


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
    make: Callable[[Iterable[pa.RecordBatch]], bytes],
    fold: Callable[[Sequence[bytes]], bytes],
    columns: Sequence[str] | None = None,
    options: PipelineOptions | None = None,
) -> None:
    """Write one state a key.

    A key one of whose shards failed is not written; the others are.

    Args:
        shards: What to read, in the order to fold in.
        make: From a shard's record batches, one at least, to its state; must be picklable.
        fold: From the states of a key, in shard order, to one; must be picklable.
        columns: Only these columns are read.
        options: Beam's; by default in this process.

    Raises:
        ArtifactMissing: A shard's file is not there.
        ArtifactCorrupt: It is no Parquet file, or lacks a column.
        MlcoreError: What ``make`` or ``fold`` raised, of the first shard in order.
    """
    if not shards:
        return
    import apache_beam as beam

    from mlcore.beam.options import local_options

    target = place(shards[0].target)
    failures = target.with_name(f".{target.name}-failures")
    failures.unlink(missing_ok=True)
    try:
        with beam.Pipeline(options=options or local_options()) as pipeline:
            _ = (
                pipeline
                | "Shards" >> beam.Create(list(enumerate(shards)))
                | "Spread" >> beam.Reshuffle()
                | "Accumulate" >> beam.Map(_Accumulate(make, columns))
                | "ByKey" >> beam.GroupByKey()
                | "Write" >> beam.FlatMap(_Write(fold))
                | "Together" >> beam.GroupByKey()
                | "Failures" >> beam.Map(_WriteFailures(str(failures)))
            )
    except ArtifactError as error:  # not even the failures could be written, and the runner kept the first line only
        raise ArtifactError(error.what, where=str(target), next_step=UNWRITABLE_NEXT) from error
    raise_recorded(failures)


Keyed = tuple[tuple[str, str], tuple[int, bytes, Failure]]
"""Key and target; the shard's index, and its state or why there is none."""


@dataclass(frozen=True, slots=True)
class _Accumulate:
    make: Callable[[Iterable[pa.RecordBatch]], bytes]
    columns: Sequence[str] | None

    def __call__(self, element: tuple[int, Shard]) -> Keyed:
        index, shard = element
        try:
            result = (index, self.make(batches(shard.path, self.columns)), "")
        except MlcoreError as error:
            result = (index, b"", record_of(error))
        return (shard.key, shard.target), result


@dataclass(frozen=True, slots=True)
class _Write:
    fold: Callable[[Sequence[bytes]], bytes]

    def __call__(
        self, element: tuple[tuple[str, str], Iterable[tuple[int, bytes, Failure]]]
    ) -> Iterator[tuple[str, tuple[int, Failure]]]:
        (_, target), results = element
        ordered = sorted(results)
        failed = [(index, failure) for index, _, failure in ordered if failure]
        if not failed:
            try:
                write(target, self.fold([state for _, state, _ in ordered]))
            except MlcoreError as error:
                failed = [(ordered[0][0], record_of(error))]
        for failure in failed:
            yield "", failure


@dataclass(frozen=True, slots=True)
class _WriteFailures:
    path: str

    def __call__(self, element: tuple[str, Iterable[tuple[int, Failure]]]) -> None:
        _, failures = element
        write(self.path, min(failures)[1].encode())
