"""Spans from their files: each row is checked, labelled, split and written, or put into quarantine.

A file is read once, whatever it holds, some rows at a time; see :mod:`.division`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mlcore.config.data import Data
from mlcore.core.folders import split_path
from mlcore.core.window import Span
from mlcore.ingest.apart import write_hashes
from mlcore.ingest.blocks import BadRow
from mlcore.ingest.checks import non_finite
from mlcore.ingest.columns import column_types, examples_schema
from mlcore.ingest.division import Division
from mlcore.ingest.divisions import Divisions
from mlcore.ingest.examples import ExamplesWriter
from mlcore.ingest.keys import Keys
from mlcore.ingest.labels import with_label
from mlcore.ingest.quarantine import QuarantineWriter, as_batch, count, counted, too_many
from mlcore.ingest.sources import read_blocks
from mlcore.ingest.splits import split_names, split_rows, split_schema


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


class Reading(AbstractContextManager["Reading"]):
    """Files that are read once, whichever of their spans are ingested together.

    Args:
        data: What a row is.
        shared: The spans that will be wanted, by the path of each file that holds several: their rows are kept for
            when they are, in memory up to a bound and else in temporary files.
        labelled: Whether rows have outcomes to make labels of; those of a serving log have none.
        divisions: What was read of such files already, and is the caller's to close.
    """

    def __init__(
        self,
        data: Data,
        shared: Mapping[Path, Sequence[Span]],
        *,
        labelled: bool = True,
        divisions: Divisions | None = None,
    ) -> None:
        self._data = data
        self._shared = shared
        self._labelled = labelled
        self._stack = ExitStack()
        self._divisions = self._stack.enter_context(Divisions()) if divisions is None else divisions

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def ingest(self, jobs: Sequence[SpanJob]) -> tuple[Ingested, ...]:
        """Ingest spans, one after the other; the results are in the order of the jobs.

        A year of daily files takes less than the import of a runner of parallel jobs would.

        Raises:
            DataError: A file cannot be read as configured.
            MalformedData: Its rows are not those of the span, or more of them are bad than may be.
        """
        done: dict[int, Ingested] = {}
        for number, job in sorted(enumerate(jobs), key=lambda numbered: (str(numbered[1].path), numbered[1].span)):
            if job.shared:
                done[number] = self._ingest(job, self._division(job))
            else:
                with Division(self._data, [job.span], shared=False) as division:
                    division.read(read_blocks(self._data, job.path, job.span))
                    done[number] = self._ingest(job, division)
        return tuple(done[number] for number in range(len(jobs)))

    def _division(self, job: SpanJob) -> Division:
        found = self._divisions.get(job.path, job.span)
        if found is not None:
            return found
        unread = [span for span in self._shared[job.path] if self._divisions.get(job.path, span) is None]
        return self._divisions.read(self._data, job.path, unread)

    def _ingest(self, job: SpanJob, division: Division) -> Ingested:
        seen, reasons, first = _Seen(), division.reasons(job.span), division.first_bad(job.span)
        with ExitStack() as stack:
            quarantine = stack.enter_context(QuarantineWriter(job.folder))
            sides = self._sides(stack, job.folder)
            for bad in division.bad(job.span):
                quarantine.write(bad)
            for piece in division.pieces(job.span):
                if piece.repeated:
                    quarantine.write(as_batch(piece.repeated))
                    reasons.update(count(piece.repeated))
                    first = first or piece.repeated[0]
                self._write(piece.rows, sides, seen)
            self._check_fraction(seen, reasons, first)
        return Ingested(
            rows=seen.rows,
            labelled=seen.labelled,
            non_finite=dict(seen.non_finite),
            empty=tuple(name for name in self._schema().names if name not in seen.filled),
            splits={name: seen.splits[name] for name in split_names(self._data)},
            quarantined=counted(reasons),
        )

    def _schema(self) -> pa.Schema:
        return examples_schema(self._data) if self._labelled else pa.schema(list(column_types(self._data).items()))

    def _sides(self, stack: ExitStack, folder: Path) -> dict[str, _Side]:
        """By split, or one for all where time splits rows."""
        names, schema = split_names(self._data), split_schema(self._schema(), self._data)
        for name in names:
            (folder / name).mkdir()
        apart = self._data.kept_apart if self._labelled else ()
        return {name: stack.enter_context(_Side(split_path(folder, name), schema, apart)) for name in names or (".",)}

    def _write(self, rows: pa.RecordBatch, sides: Mapping[str, _Side], seen: _Seen) -> None:
        rows = with_label(rows, self._data) if self._labelled else rows
        seen.add(rows, self._data.label.name if self._labelled else None)
        if "." in sides:
            sides["."].write(rows)
            return
        for name, part in split_rows(rows, self._data).items():
            sides[name].write(part)
            seen.splits[name] += part.num_rows

    def _check_fraction(self, seen: _Seen, reasons: Counter[str], first: BadRow | None) -> None:
        bad = sum(reasons.values())
        if first is not None and (bad > self._data.max_bad_fraction * (bad + seen.rows) or not seen.rows):
            raise too_many(first, reasons, bad + seen.rows, self._data.max_bad_fraction)


class _Side(ExamplesWriter):
    """Rows of one folder, and the hashes of their keys where keys may be on both sides."""

    def __init__(self, folder: Path, schema: pa.Schema, apart: Sequence[str]) -> None:
        super().__init__(folder, schema)
        self._folder = folder
        self._apart = apart
        self._keys = Keys()

    def write(self, rows: pa.RecordBatch) -> None:
        super().write(rows)
        if self._apart:
            self._keys.add(rows, self._apart)

    def close(self) -> None:
        super().close()
        if self._apart:
            write_hashes(self._folder, self._keys)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._keys:
            super().__exit__(kind, error, trace)


@dataclass(slots=True)
class _Seen:
    """What was written of a span so far."""

    rows: int = 0
    labelled: int = 0
    non_finite: Counter[str] = field(default_factory=Counter)
    filled: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)

    def add(self, rows: pa.RecordBatch, label: str | None) -> None:
        self.rows += rows.num_rows
        self.labelled += rows.num_rows - rows.column(label).null_count if label is not None else 0
        self.non_finite.update(dict(non_finite(rows)))
        names = (name for name in rows.schema.names if name not in self.filled)
        self.filled.update([name for name in names if rows.column(name).null_count < rows.num_rows])


def ingest_span(job: SpanJob, data: Data) -> Ingested:
    """Read, check, label, split and write one span. See :meth:`Reading.ingest`."""
    return ingest_spans([job], data)[0]


def ingest_spans(jobs: Sequence[SpanJob], data: Data, *, labelled: bool = True) -> tuple[Ingested, ...]:
    """Ingest spans that are all there are to ingest of their files. See :class:`Reading`."""
    with Reading(data, shared_files(jobs), labelled=labelled) as reading:
        return reading.ingest(jobs)


def shared_files(jobs: Sequence[SpanJob]) -> dict[Path, list[Span]]:
    """The spans that are wanted of each file that holds several."""
    shared: dict[Path, list[Span]] = {}
    for job in jobs:
        if job.shared:
            shared.setdefault(job.path, []).append(job.span)
    return shared
