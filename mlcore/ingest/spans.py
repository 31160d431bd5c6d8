"""Many spans at once: each is read, checked, labelled, split and written. A file that holds several is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import Data
from mlcore.core.window import Span
from mlcore.ingest.blocks import BadRow
from mlcore.ingest.checks import Location, non_finite
from mlcore.ingest.examples import write_examples
from mlcore.ingest.labels import with_label
from mlcore.ingest.quarantine import counted, sift, write_quarantine
from mlcore.ingest.sources import read_rows
from mlcore.ingest.splits import split_rows


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanJob:
    """One span to ingest: its file, and the folder its examples go to.

    Attributes:
        shared: Whether the file holds other spans too: the rows of this one are told by their event timestamps.
    """

    span: Span
    path: Path
    folder: Path
    shared: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingested:
    """What is worth knowing of a span that was ingested.

    Attributes:
        rows: Rows of the span.
        labelled: Rows whose outcome is known.
        non_finite: By float column, how many values are NaN or infinite; only columns that have any.
        empty: Columns without any value.
        splits: Rows by split, where time is not what splits them; rows of neither are those that are left.
        quarantined: Bad rows by reason: rows of the file that are not among ``rows``.
    """

    rows: int
    labelled: int
    non_finite: dict[str, int] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    splits: dict[str, int] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)


def ingest_span(job: SpanJob, data: Data) -> Ingested:
    """Read, check, label, split and write one span.

    Raises:
        DataError: The span cannot be used; see :func:`mlcore.ingest.sources.read_span`.
    """
    return ingest_spans([job], data)[0]


def ingest_spans(jobs: Sequence[SpanJob], data: Data, *, labelled: bool = True) -> tuple[Ingested, ...]:
    """Ingest spans one file after the other; the results are in the order of the jobs.

    A year of daily files takes less than the import of a runner of parallel jobs would.

    Args:
        jobs: What to read, and where to write it.
        data: What a row is.
        labelled: Whether rows have outcomes to make labels of; those of a serving log have none.
    """
    done: dict[int, Ingested] = {}
    by_file = sorted(enumerate(jobs), key=lambda numbered: (str(numbered[1].path), numbered[0]))
    for path, group in groupby(by_file, key=lambda numbered: numbered[1].path):
        of_file = list(group)
        rows = read_rows(data, path, of_file[0][1].span)
        for (number, job), places in zip(of_file, _divided(rows.table, data, [job for _, job in of_file]), strict=True):
            part = rows.table if places is None else rows.table.take(pa.array(places))
            bad = rows.bad if number == of_file[0][0] else ()  # whose span nobody knows: the file's first has them
            good, quarantined = sift(part, bad, data, job.span, _location(rows.location, places))
            write_quarantine(job.folder, quarantined)
            table = with_label(good, data) if labelled else good
            done[number] = _write(job, table, quarantined, data, _location(rows.location, places))
    return tuple(done[number] for number in range(len(jobs)))


def _divided(table: pa.Table, data: Data, jobs: Sequence[SpanJob]) -> list[npt.NDArray[np.int64] | None]:
    """The rows of each job's span, in their order; ``None`` for all. Rows of no job's span are of other spans."""
    if not jobs[0].shared:
        return [None] * len(jobs)
    moments = pc.fill_null(table[data.event_timestamp].cast(pa.int64()), 0).to_numpy()
    order = sorted(range(len(jobs)), key=lambda number: jobs[number].span)
    starts = np.array([_microseconds(jobs[number].span.start) for number in order])
    ends = np.array([_microseconds(jobs[number].span.end) for number in order])
    place = np.searchsorted(starts, moments, side="right") - 1
    place[(place >= 0) & (moments >= ends[place])] = -1
    undated = table[data.event_timestamp].is_null().to_numpy()
    place[undated] = 0  # where it is found to have no moment, and is told by its line
    sorted_rows = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[sorted_rows], np.arange(len(jobs) + 1))
    divided: list[npt.NDArray[np.int64] | None] = [None] * len(jobs)
    for index, number in enumerate(order):
        divided[number] = sorted_rows[edges[index] : edges[index + 1]]
    return divided


def _location(location: Location, places: npt.NDArray[np.int64] | None) -> Location:
    return location if places is None else lambda row: location(int(places[row]))


def _write(job: SpanJob, table: pa.Table, bad: Sequence[BadRow], data: Data, location: Location) -> Ingested:
    splits = split_rows(table, data, location)
    if not splits:
        write_examples(job.folder, table)
    for name, part in splits.items():
        folder = job.folder / name
        folder.mkdir()
        write_examples(folder, part)
    label = data.label.name
    return Ingested(
        rows=table.num_rows,
        labelled=table.num_rows - table[label].null_count if label in table.column_names else 0,
        non_finite=non_finite(table),
        empty=tuple(name for name in table.column_names if table[name].null_count == table.num_rows),
        quarantined=counted(bad),
        splits={name.value: part.num_rows for name, part in splits.items()},
    )


def _microseconds(moment: object) -> int:
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).value)
