"""Bad rows: told from the good ones, counted, and kept beside the Examples.

    examples/
    └── quarantine.parquet    file, line, reason, column, message, text; only where there are bad rows

No row is lost: the rows of a file are those of ``data.parquet`` and those of ``quarantine.parquet``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.config.data import Data
from mlcore.core.window import Span, iso
from mlcore.errors import ArtifactCorrupt, MalformedData, quoted
from mlcore.ingest.blocks import TEXT_LIMIT, BadRow, Reason
from mlcore.ingest.checks import Location, check_span

FILE_NAME = "quarantine.parquet"
_SCHEMA = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("column", pa.string()),
     ("message", pa.string()), ("text", pa.string())]
)  # fmt: skip
_Mask = npt.NDArray[np.bool_]


def sift(
    table: pa.Table, bad: Sequence[BadRow], data: Data, span: Span, location: Location
) -> tuple[pa.Table, tuple[BadRow, ...]]:
    """The good rows of a span, and all its bad ones: those that could not be read and those that do not belong.

    Args:
        table: The rows that could be read.
        bad: Those that could not.
        data: With ``max_bad_fraction``: where it is 0, no row may be bad.
        span: The rows'.
        location: Place of a row of the table.

    Raises:
        MalformedData: A row is bad and none may be, or more of them are than may be.
    """
    if not data.max_bad_fraction:
        check_span(table, data, span, location)
        return table, ()
    good, found = _screened(table, data, span, location)
    every = (*bad, *found)
    total = len(bad) + table.num_rows
    if len(every) > data.max_bad_fraction * total or not good.num_rows:
        raise _too_many(every, total, data.max_bad_fraction)
    return good, every


def write_quarantine(folder: Path, rows: Sequence[BadRow]) -> None:
    """Write the rows as ``quarantine.parquet``, in their order; no file where there are none."""
    if not rows:
        return
    # Only the file's name is kept: the bytes must not tell where a source lies.
    values = [[PurePath(row.file).name, row.line, row.reason.value, row.column, row.message, row.text] for row in rows]
    columns = [
        pa.array(list(column), kind) for column, kind in zip(zip(*values, strict=True), _SCHEMA.types, strict=True)
    ]
    with (folder / FILE_NAME).open("wb") as file:
        pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), file, compression="lz4", write_statistics=False)


def read_quarantine(folder: Path) -> tuple[BadRow, ...]:
    """The bad rows of a span; none where there is no file.

    Raises:
        ArtifactCorrupt: The file is no Parquet.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return ()
    try:
        with path.open("rb") as file:
            rows = pq.read_table(pa.PythonFile(file, "r")).to_pylist()
        return tuple(BadRow(**{**row, "reason": Reason(row["reason"])}) for row in rows)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactCorrupt(
            f"the quarantine cannot be read: {quoted(str(error))}",
            where=str(path),
            next_step="delete the file and run the pipeline again: lost outputs are made again from the source",
        ) from error


def counted(rows: Iterable[BadRow]) -> dict[str, int]:
    """How many rows are bad for each reason, the most frequent first."""
    counts = Counter(row.reason.value for row in rows)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _screened(table: pa.Table, data: Data, span: Span, location: Location) -> tuple[pa.Table, list[BadRow]]:
    places = np.arange(table.num_rows)
    bad: list[BadRow] = []

    def drop(wrong: _Mask, reason: Reason, column: str | None, message: str) -> None:
        nonlocal table, places
        if wrong.any():
            rows = table.filter(pa.array(wrong)).to_pylist()
            bad.extend(
                _bad(location(int(place)), reason, column, message.format(**_shown(row, data)), row)
                for place, row in zip(places[wrong].tolist(), rows, strict=True)
            )
            table, places = table.filter(pa.array(~wrong)), places[~wrong]

    for name in dict.fromkeys((data.event_timestamp, *data.key)):
        missing = table[name].is_null().to_numpy()
        drop(missing, Reason.MISSING_KEY, name, f"{_plain(name)} is missing; every row needs a key and a moment")
    moments = table[data.event_timestamp].cast(pa.int64()).to_numpy()
    outside = (moments < _microseconds(span.start)) | (moments >= _microseconds(span.end))
    name = data.event_timestamp
    drop(outside, Reason.OUTSIDE_SPAN, name, f"{_plain(name)} {{moment}} lies outside the span {span}")
    drop(_repeated(table, data.key), Reason.DUPLICATE_KEY, None, "the row repeats the key of an earlier row: {key}")
    return table, bad


def _repeated(table: pa.Table, key: Sequence[str]) -> _Mask:
    """Which rows have the key of an earlier one."""
    numbered = table.select(list(key)).append_column("\0row", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(list(key), use_threads=False).aggregate([("\0row", "min")])["\0row_min"].to_numpy()
    repeated = np.ones(table.num_rows, bool)
    repeated[first] = False
    return repeated


def _bad(location: str, reason: Reason, column: str | None, message: str, row: dict[str, object]) -> BadRow:
    file, _, line = location.rpartition(":")
    known = file and line.isdigit()
    text = ",".join("" if value is None else str(value) for value in row.values())[:TEXT_LIMIT]
    return BadRow(
        file=file if known else location,
        line=int(line) if known else 0,
        reason=reason,
        message=message,
        column=column,
        text=text,
    )


def _shown(row: dict[str, object], data: Data) -> dict[str, str]:
    moment = row[data.event_timestamp]
    key = ", ".join(f"{name}={quoted(str(row[name]), limit=40)}" for name in data.key)
    return {"moment": iso(moment) if isinstance(moment, datetime) else "", "key": key}


def _too_many(bad: Sequence[BadRow], total: int, most: float) -> MalformedData:
    reasons = ", ".join(f"{count} {reason}" for reason, count in counted(bad).items())
    first = min(bad, key=lambda row: (row.file, row.line))
    return MalformedData(
        f"{len(bad)} of {total} rows are bad, more than data.max_bad_fraction of {most:g} allows: {reasons}; "
        f"the first: {first.message}",
        where=f"{first.file}:{first.line}",
        next_step="correct the export; the rows' reasons are those above, and the first is named",
    )


def _plain(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def _microseconds(moment: object) -> int:
    return int(pa.scalar(moment, pa.timestamp("us", tz="UTC")).value)
