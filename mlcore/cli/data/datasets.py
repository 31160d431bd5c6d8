"""What ``mlcore data stats`` and ``compare`` look at: a file, an address, or a window's stored statistics.

- ``flights.csv``: a file
- ``s3://bucket/flights.parquet``: any address that fsspec reads
- ``flight_delays@2013-06-01T06:00Z``: what the pipeline trains on as of a moment
- ``flight_delays@2013-05-01..2013-06-01``: the spans from one date, or moment, up to another
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rich.status import Status

from mlcore.cli.context import notes, session, settings
from mlcore.cli.data.bad_rows import MOST_BAD
from mlcore.config.loader import find_pipeline, pipeline_names
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import SplitName
from mlcore.core.window import Interval, parse_moment
from mlcore.errors import ConfigError, DataError, WindowError, quoted
from mlcore.statistics.options import StatisticsOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.ingest.blocks import BadRow
    from mlcore.ingest.tables import BadRows, Table
    from mlcore.statistics.accumulate import DatasetAccumulator

_DATE_LENGTH = len("2013-01-01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """One side of what is shown.

    Attributes:
        name: What people call it.
        statistics: Of its rows.
        bad_rows: Rows by reason that are bad, and not among them: in quarantine, or left out where a file was read.
        first_bad: Of a file: the first of them.
        pipeline: Whose window it is, if it is one.
        slices: Columns that could be sliced by.
    """

    name: str
    statistics: DatasetAccumulator
    bad_rows: Mapping[str, int] = field(default_factory=dict)
    first_bad: tuple[BadRow, ...] = ()
    pipeline: str | None = None
    slices: tuple[str, ...] = ()


def open_dataset(
    address: str,
    *,
    at: str | None = None,
    span: str | None = None,
    as_of: str | None = None,
    split: SplitName | None = None,
    by: str | None = None,
    label: str | None = None,
    weight: str | None = None,
    nulls: Sequence[str] = (),
    max_bad_fraction: float = MOST_BAD,
) -> Dataset:
    """The statistics of a file, which is read, or of a pipeline's window, which were stored.

    Args:
        address: A file, an address, a pipeline, or a pipeline with a window after ``@``.
        at: Of a pipeline: a moment.
        span: Of a pipeline: ``from..to``.
        as_of: Of a pipeline: the moment whose versions of its spans are looked at. Of a file: times from then on are
            of the future.
        split: Of a pipeline that splits the rows of its spans: only of these.
        by: A column whose values have statistics of their own.
        label: Of a file: a column that the association of all others is measured with.
        weight: Of a file: a column of the rows' weights.
        nulls: Of CSV: texts that stand for a missing value, besides the empty cell.
        max_bad_fraction: Of a file: so much of its rows may be bad; they are left out.

    Raises:
        MlcoreError: There is no such thing, or it cannot be read.
    """
    if not _is_file(address):
        name, _, window = address.partition("@")
        if name in pipeline_names(settings().pipelines):
            return _stored(
                name,
                *_one_window(name, window, at, span),
                as_of=as_of,
                split=split,
                by=by,
                declared={"label": label, "weight": weight},
            )
        if window or at or span:
            find_pipeline(settings().pipelines, name)  # says which there are
    if at or span or split:
        option = "--at" if at else "--span" if span else "--split"
        raise ConfigError(
            f"{quoted(address)} is read as a file, which has no window",
            next_step=f"name a pipeline, or leave out {option}",
        )
    end = None if as_of is None else parse_moment(as_of, name="--as-of")
    options = StatisticsOptions(label=label, weight=weight, slices=() if by is None else (by,), end=end)
    return _read(address, options, nulls=nulls, most_bad=max_bad_fraction)


def is_window(address: str) -> bool:
    """Whether this is a window of a pipeline, and no file."""
    return not _is_file(address) and address.partition("@")[0] in pipeline_names(settings().pipelines)


def _is_file(address: str) -> bool:
    return "://" in address or Path(address).exists()


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


def _stored(
    pipeline: str,
    at: str | None,
    span: str | None,
    *,
    as_of: str | None,
    split: SplitName | None,
    by: str | None,
    declared: Mapping[str, str | None],
) -> Dataset:
    from mlcore.runtime.statistics import interval_statistics

    for name in [name for name, column in declared.items() if column is not None]:
        raise ConfigError(
            f"--{name} is for files: a pipeline's stored statistics have the {name} that it declares",
            next_step=f"leave out --{name}",
        )
    config = find_pipeline(settings().pipelines, pipeline)
    interval, known = _window(config, at, span, as_of)
    if by is not None and by not in config.statistics.columns:
        raise _not_sliced(config, by)
    with session() as stores, _progress(f"merging the statistics of {pipeline}"):
        merged = interval_statistics(stores, config, interval, as_of=known, slices=by is not None, split=split)
    if by is not None:
        sliced = sum(part.rows for key, part in merged.dataset.slices.items() if key.column == by)
        if sliced != merged.dataset.rows:  # the pipeline sliced otherwise when some of the spans were profiled
            raise _not_sliced(config, by)
    last = interval.end - datetime.resolution
    rows = f", {split} rows" if split else ""
    without = f", without {shortened(merged.without)}" if merged.without else ""
    return Dataset(
        name=f"{pipeline}, {interval.start:%Y-%m-%d} to {last:%Y-%m-%d}{rows}{without}",
        statistics=merged.dataset,
        bad_rows=merged.bad_rows,
        pipeline=pipeline,
        slices=config.statistics.columns,
    )


def _window(config: PipelineConfig, at: str | None, span: str | None, as_of: str | None) -> tuple[Interval, datetime]:
    """The interval, and the moment whose knowledge of it is asked for: that of the window, or now."""
    from mlcore.runtime.statistics import trained_interval

    known = None if as_of is None else parse_moment(as_of, name="--as-of")
    if span is not None:
        return parse_interval(span), known or datetime.now(UTC)
    moment = parse_moment(at or "", name="--at")
    return trained_interval(config, moment), known or moment


def _not_sliced(config: PipelineConfig, by: str) -> ConfigError:
    known = ", ".join(config.statistics.columns)
    if by in config.statistics.columns:
        return ConfigError(
            f"the stored statistics of {config.name} are not sliced by {quoted(by)} yet",
            next_step="run the pipeline over these spans: what it declares is counted from the next run on",
        )
    return ConfigError(
        f"the statistics of {config.name} are not sliced by {quoted(by)}",
        next_step=f"slice by one of: {known}"
        if known
        else "add it to statistics.slices of the pipeline's file, or name the files instead of the pipeline",
    )


def shortened(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are.

    >>> shortened(["a", "b", "c", "d"], most=2)
    'a, b and 2 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


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


def _read(address: str, options: StatisticsOptions, *, nulls: Sequence[str], most_bad: float) -> Dataset:
    from mlcore.ingest.tables import BadRows, open_table
    from mlcore.statistics.accumulate import DatasetAccumulator

    name = PurePosixPath(address.partition("?")[0]).name or address
    with _progress(f"reading {name}") as status:
        table = open_table(address, nulls=nulls)
        for option, column in (("--label", options.label), ("--weight", options.weight)):
            if column is not None and column not in table.schema.names:
                raise DataError(
                    f"there is no column {quoted(column)}",
                    where=address,
                    next_step=f"name a column of it with {option}",
                )
        bad = BadRows(most=most_bad)
        statistics = DatasetAccumulator.of(_batches(table, bad, status, name), options)
    return Dataset(name=name, statistics=statistics, bad_rows=bad.by_reason, first_bad=tuple(bad.first))


def _batches(table: Table, bad: BadRows, status: Status, name: str) -> Iterator[pa.RecordBatch]:
    """The rows, told while they are read; one empty batch where there are none."""
    import pyarrow as pa

    rows = 0
    for batch in table.batches(bad):
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
