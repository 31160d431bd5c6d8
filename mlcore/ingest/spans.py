"""Many spans at once: each is read, checked, labelled and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mlcore.config.pipeline import Data
from mlcore.core.window import Span
from mlcore.ingest.checks import non_finite
from mlcore.ingest.examples import write_examples
from mlcore.ingest.sources import read_span


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanJob:
    """One span to ingest: its file, and the folder its examples go to."""

    span: Span
    path: Path
    folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingested:
    """What is worth knowing of a span that was ingested.

    Attributes:
        rows: Rows of the span.
        labelled: Rows whose outcome is known.
        non_finite: By float column, how many values are NaN or infinite; only columns that have any.
    """

    rows: int
    labelled: int
    non_finite: dict[str, int] = field(default_factory=dict)


def ingest_span(job: SpanJob, data: Data) -> Ingested:
    """Read, check, label and write one span.

    Raises:
        DataError: The span cannot be used; see :func:`mlcore.ingest.sources.read_span`.
    """
    table = read_span(data, job.path, job.span)
    write_examples(job.folder, table)
    return _summary(table, data.label.name)


def ingest_spans(jobs: Sequence[SpanJob], data: Data) -> tuple[Ingested, ...]:
    """Ingest spans one after the other; the results are in the order of the jobs.

    A year of daily files takes less than the import of a runner of parallel jobs would.
    """
    return tuple(ingest_span(job, data) for job in jobs)


def _summary(table: pa.Table, label: str) -> Ingested:
    return Ingested(
        rows=table.num_rows, labelled=table.num_rows - table[label].null_count, non_finite=non_finite(table)
    )
