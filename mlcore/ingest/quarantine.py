"""Bad rows, kept beside the Examples.

    examples/
    └── quarantine.parquet    file, line, reason, column, message, text; only where there are bad rows

No row is lost: the rows of a file are those of ``data.parquet`` and those of ``quarantine.parquet``. A file that holds
several spans may hold rows whose span nobody can tell, for they cannot be read or have no moment: such a row belongs to
the span of the nearest row before it whose moment is known, or of the first such row of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from mlcore.errors import ArtifactCorrupt, MalformedData, quoted
from mlcore.ingest.blocks import BadRow, Reason
from mlcore.ingest.examples import GroupWriter

FILE_NAME = "quarantine.parquet"
SCHEMA = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("column", pa.string()),
     ("message", pa.string()), ("text", pa.string())]
)  # fmt: skip


def as_batch(rows: Sequence[BadRow]) -> pa.RecordBatch:
    """Bad rows as they are stored. Of a file only its name is kept: the bytes must not tell where a source lies."""
    values = [
        [PurePath(row.file).name if row.line else row.file, row.line, row.reason.value, row.column, row.message,
         row.text]
        for row in rows
    ]  # fmt: skip
    columns = zip(*values, strict=True) if values else [()] * len(SCHEMA)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


class QuarantineWriter(GroupWriter):
    """Writes ``quarantine.parquet`` into a folder as bad rows come; no file where there are none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / FILE_NAME, SCHEMA, compression="lz4", write_statistics=False)


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


def counted(reasons: Mapping[str, int]) -> dict[str, int]:
    """How many rows are bad for each reason, the most frequent first."""
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def count(rows: Iterable[BadRow]) -> Counter[str]:
    """How many rows are bad for each reason."""
    return Counter(row.reason.value for row in rows)


def too_many(first: BadRow, reasons: Mapping[str, int], total: int, most: float) -> MalformedData:
    """The error for more bad rows than there may be."""
    bad = sum(reasons.values())
    return MalformedData(
        f"{bad} of {total} rows are bad, more than data.max_bad_fraction of {most:g} allows: {_listed(reasons)};"
        f" the first: {first.message}",
        where=first.place,
        next_step="correct the export; the rows' reasons are those above, and the first is named",
    )


def refused(first: BadRow, reasons: Mapping[str, int], total: int) -> MalformedData:
    """The error for bad rows where none may be: the first, and how many there are."""
    bad, error = sum(reasons.values()), first.error()
    more = f"; {bad} of {total} rows are bad: {_listed(reasons)}" if bad > 1 else ""
    return MalformedData(error.what + more, where=error.where, next_step=error.next_step)


def _listed(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in counted(reasons).items())
