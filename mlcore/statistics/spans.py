"""Statistics of many spans in one Beam job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from mlcore.beam.combine import Shard, accumulate
from mlcore.config.beam import Beam
from mlcore.statistics.accumulate import DatasetAccumulator
from mlcore.statistics.files import FILE_NAME, from_bytes, to_bytes
from mlcore.statistics.options import StatisticsOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsJob:
    """One span: its Parquet file, the folder its statistics go to, and what to accumulate."""

    key: str
    examples: Path
    folder: Path
    options: StatisticsOptions = field(default_factory=StatisticsOptions)


def span_statistics(jobs: Sequence[StatisticsJob], *, engine: Beam | None = None) -> None:
    """Write the statistics of every span, each read once; ``engine`` says where, by default in this process."""
    shards = [Shard(key=job.key, path=str(job.examples), target=str(job.folder / FILE_NAME)) for job in jobs]
    make = {job.key: partial(_make, options=job.options) for job in jobs}
    accumulate(shards, make=make, fold=_fold, dictionaries=True, engine=engine)


def _make(batches: Iterable[pa.RecordBatch], options: StatisticsOptions) -> bytes:
    return to_bytes(DatasetAccumulator.of(batches, options))


def _fold(states: Sequence[bytes]) -> bytes:
    return states[0] if len(states) == 1 else to_bytes(DatasetAccumulator.merge([from_bytes(s) for s in states]))
