"""What ``mlcore data stats`` and ``compare`` look at: a file, an address, or a window's stored statistics.

- ``flights.csv``: a file
- ``s3://bucket/flights.parquet``: any address that fsspec reads
- ``flight_delays@2013-06-01T06:00Z``: what the pipeline trains on as of a moment
- ``flight_delays@2013-05-01..2013-06-01``: the spans from one date, or moment, up to another
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rich.status import Status

from mlcore.cli.context import notes, session, settings
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.core.window import Interval, parse_moment
from mlcore.errors import ConfigError, DataError, WindowError, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.ingest.tables import Table
    from mlcore.statistics.accumulate import DatasetAccumulator

_DATE_LENGTH = len("2013-01-01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What people call it, and its statistics."""

    name: str
    statistics: DatasetAccumulator


def open_dataset(
    address: str,
    *,
    at: str | None = None,
    span: str | None = None,
    by: str | None = None,
    label: str | None = None,
    nulls: Sequence[str] = (),
) -> Dataset:
    """The statistics of a file, which is read, or of a pipeline's window, which were stored.

    Args:
        address: A file, an address, a pipeline, or a pipeline with a window after ``@``.
        at: Of a pipeline: a moment.
        span: Of a pipeline: ``from..to``.
        by: A column whose values have statistics of their own.
        label: A column that the association of all others is measured with.
        nulls: Of CSV: texts that stand for a missing value, besides the empty cell.

    Raises:
        MlcoreError: There is no such thing, or it cannot be read.
    """
    if "://" not in address and not Path(address).exists():
        name, _, window = address.partition("@")
        if name in pipeline_names(settings().pipelines):
            return _stored(name, *_one_window(name, window, at, span), by=by, label=label)
        if window or at or span:
            find_pipeline(settings().pipelines, name)  # says which there are
    if at or span:
        raise ConfigError(
            f"{quoted(address)} is read as a file, which has no window", next_step="name a pipeline, or leave out --at"
        )
    return _read(address, by=by, label=label, nulls=nulls)


def _one_window(name: str, window: str, at: str | None, span: str | None) -> tuple[str | None, str | None]:
    """The moment or the interval; exactly one of them."""
    given = [text for text in (window, at, span) if text]
    if len(given) != 1:
        raise WindowError(
            f"{name} is a pipeline: say of which window, once",
            next_step=f"write {name}@2013-06-01T06:00Z for a moment, or {name}@2013-05-01..2013-06-01 for spans",
        )
    (text,) = given
    return (None, text) if span or ".." in text else (text, None)


def _stored(pipeline: str, at: str | None, span: str | None, *, by: str | None, label: str | None) -> Dataset:
    from mlcore.runtime.statistics import interval_statistics, trained_interval

    if label is not None:
        raise ConfigError(
            "--label is for files: a pipeline's stored statistics have the label that it declares",
            next_step="leave out --label",
        )
    config = find_pipeline(settings().pipelines, pipeline)
    if span is not None:
        interval = parse_interval(span)
    else:
        interval = trained_interval(config, parse_moment(at or "", name="--at"))
    with session() as stores, _progress(f"merging the statistics of {pipeline}"):
        merged = interval_statistics(stores, config, interval, slices=by is not None)
    if by is not None:
        _check_slices(merged, by, pipeline)
    last = interval.end - datetime.resolution
    return Dataset(name=f"{pipeline}, {interval.start:%Y-%m-%d} to {last:%Y-%m-%d}", statistics=merged)


def _check_slices(merged: DatasetAccumulator, by: str, pipeline: str) -> None:
    known = sorted({key.column for key in merged.slices})
    if by not in known:
        raise ConfigError(
            f"the stored statistics of {pipeline} are not sliced by {quoted(by)}",
            next_step=f"slice by one of: {quoted(', '.join(known))}" if known else "read the files with --by instead",
        )


def parse_interval(text: str) -> Interval:
    """``from..to``, each a date (its midnight in UTC) or a moment with an offset.

    Raises:
        WindowError: It is neither.

    >>> str(parse_interval("2013-05-01..2013-06-01"))
    '[2013-05-01T00:00:00Z, 2013-06-01T00:00:00Z)'
    """
    first, dots, second = text.partition("..")
    if not dots:
        raise WindowError(f"{quoted(text)} is no range", next_step="write it like 2013-05-01..2013-06-01")
    moments = [f"{part}T00:00Z" if len(part) == _DATE_LENGTH else part for part in (first, second)]
    return Interval(start=parse_moment(moments[0], name="from"), end=parse_moment(moments[1], name="to"))


def _read(address: str, *, by: str | None, label: str | None, nulls: Sequence[str]) -> Dataset:
    from mlcore.ingest.formats.csv_format import CsvOptions
    from mlcore.ingest.tables import open_table
    from mlcore.statistics.accumulate import DatasetAccumulator
    from mlcore.statistics.options import StatisticsOptions

    name = PurePosixPath(address.partition("?")[0]).name or address
    options = StatisticsOptions(label=label, slices=() if by is None else (by,))
    with _progress(f"reading {name}") as status:
        delimiter = "\t" if ".tsv" in PurePosixPath(name).suffixes else ","
        table = open_table(address, options=CsvOptions(delimiter=delimiter, null_values=("", *nulls)))
        if label is not None and label not in table.schema.names:
            raise DataError(
                f"there is no column {quoted(label)}", where=address, next_step="name a column of it with --label"
            )
        statistics = DatasetAccumulator.of(_batches(table, status, name), options)
    return Dataset(name=name, statistics=statistics)


def _batches(table: Table, status: Status, name: str) -> Iterator[pa.RecordBatch]:
    """The rows, told while they are read; one empty batch where there are none."""
    import pyarrow as pa

    rows = 0
    for batch in table.batches():
        yield batch
        rows += batch.num_rows
        status.update(f"reading {name}: {rows:,} rows")
    if not rows:
        yield pa.RecordBatch.from_pylist([], schema=table.schema)


@contextmanager
def _progress(what: str) -> Iterator[Status]:
    """A line on the terminal while it lasts; nothing where there is no terminal."""
    with notes.status(what) as status:
        yield status
