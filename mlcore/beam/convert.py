"""One job over many Parquet files to others: a file of new rows for every part of a file.

As in :mod:`mlcore.beam.combine` elements are parts of files, never rows. Which file a row comes to, and that file's
bytes, depend on the files read and on the function alone: not on the runner or its workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.beam.failures import Failure, record_of
from mlcore.beam.files import batches, place, write
from mlcore.beam.jobs import PART_ROWS, Divide, Place, WriteFailures, running
from mlcore.config.beam import Beam
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

Convert = Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A Parquet file to be read.

    Attributes:
        path: The file, a path or a URL.
        folder: Where the files go that are made of it: exists; a path or a URL.
        prefix: What their names begin with.
    """

    path: str
    folder: str
    prefix: str


def convert(
    sources: Sequence[Source],
    function: Convert,
    *,
    columns: Sequence[str] | None = None,
    part_rows: int = PART_ROWS,
    engine: Beam | None = None,
) -> None:
    """Write ``<prefix>-<part>.parquet`` into its folder for every part of every source, parts counted from 0.

    Args:
        sources: What to read; no two of one folder have one prefix.
        function: Of a batch to the rows that take its place, which have the same columns for every batch; must be
            picklable, and equal batches must give equal rows.
        columns: Only these are read.
        part_rows: A file of more rows is divided, between two row groups, into parts of at least so many.
        engine: Where it runs; by default in this process.

    Raises:
        ArtifactMissing: A source is not there.
        ArtifactCorrupt: It is no Parquet file, or lacks a column.
        EngineError: The runner cannot be had, or its job failed.
        MlcoreError: What ``function`` raised, of the first part in order.
    """
    if not sources:
        return
    failures = place(sources[0].folder) / ".failures"
    with running(engine, failures) as options:
        step = _Convert(function, tuple(columns) if columns is not None else None)
        _run(sources, Divide(part_rows), step, WriteFailures(str(failures)), options)


def _run(
    sources: Sequence[Source], divide: Divide[Source], step: _Convert, fail: WriteFailures, options: PipelineOptions
) -> None:
    import apache_beam as beam

    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Sources" >> beam.Create(list(enumerate(sources)))
            | "Divide" >> beam.FlatMap(divide)
            | "Spread" >> beam.Reshuffle()
            | "Convert" >> beam.FlatMap(step)
            | "Together" >> beam.GroupByKey()
            | "Failures" >> beam.Map(fail)
        )


@dataclass(frozen=True, slots=True)
class _Convert:
    function: Convert
    columns: Sequence[str] | None

    def __call__(self, element: tuple[Place, Source, range | None]) -> Iterator[tuple[str, tuple[Place, Failure]]]:
        place_, source, groups = element
        target = f"{source.folder.rstrip('/')}/{source.prefix}-{place_[1]:05d}.parquet"
        try:
            read = batches(source.path, self.columns, row_groups=groups)
            write(target, _written(self.function(batch) for batch in read))
        except MlcoreError as error:
            yield "", (place_, record_of(error))


def _written(rows: Iterator[pa.RecordBatch]) -> bytes:
    """A Parquet file of the batches, a row group each."""
    buffer = pa.BufferOutputStream()
    first = next(rows)
    with pq.ParquetWriter(buffer, first.schema, compression="zstd") as writer:
        for batch in chain([first], rows):
            writer.write_batch(batch)
    return cast("bytes", buffer.getvalue().to_pybytes())
