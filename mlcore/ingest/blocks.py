"""What every format gives: blocks of typed rows, and the rows that could not be read, each with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.errors import MalformedData

TEXT_LIMIT = 500
"""So many characters of a bad row are kept."""
_NAMED_ROWS = 3


class Reason(StrEnum):
    """Why a row is no example."""

    RAGGED = "ragged"
    UNDECODABLE = "undecodable"
    UNPARSABLE = "unparsable"
    MISSING_KEY = "missing_key"
    OUTSIDE_SPAN = "outside_span"
    DUPLICATE_KEY = "duplicate_key"
    INFINITE_LABEL = "infinite_label"


_NEXT = {
    Reason.RAGGED: "correct the line; quote cells that hold the delimiter, and deliver the file whole",
    Reason.UNDECODABLE: "write the file's real encoding as data.source.encoding (often cp1252 or latin-1), "
    "or export UTF-8",
    Reason.UNPARSABLE: "correct the value; change the type of the column in data.columns, or name the text that "
    "stands for a missing value in data.source.null_values",
    Reason.MISSING_KEY: "correct the export so that it is always there, or take it out of data.key",
    Reason.OUTSIDE_SPAN: "put each row into the file of its span (spans are in UTC), or correct data.event_timestamp",
    Reason.DUPLICATE_KEY: "remove the repeated rows, or add to data.key what tells them apart",
    Reason.INFINITE_LABEL: "correct the value, or leave it empty where the outcome is not known",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """One row that is no example.

    Attributes:
        file: Its file, as it was opened; of a row of a database its key.
        line: The line it starts on, from 1; in Parquet the number of the row; 0 where there are no lines.
        reason: Why, in a word.
        message: Why, in a sentence.
        column: The column that is at fault, if it is one.
        text: The row as it stands in the file, at most :data:`TEXT_LIMIT` characters of it.
    """

    file: str
    line: int
    reason: Reason
    message: str
    column: str | None
    text: str

    @property
    def place(self) -> str:
        """Where it is found: ``day.csv:17``, or its key."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def error(self) -> MalformedData:
        """The row as the error that stops a run."""
        return MalformedData(self.message, where=self.place, next_step=_NEXT[self.reason])


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some neighbouring rows of a file.

    Attributes:
        file: The file, as it was opened.
        rows: Those that could be read, in the file's order and the types that were asked for.
        lines: The line of each of them, ascending.
        bad: The others.
        keyed: Whether rows are told by their keys: those of a database have no lines.
    """

    file: str
    rows: pa.RecordBatch
    lines: npt.NDArray[np.int64]
    bad: tuple[BadRow, ...] = ()
    keyed: bool = False

    @property
    def total(self) -> int:
        """All rows of this piece of the file: none is lost."""
        return int(self.rows.num_rows) + len(self.bad)


def bounded_text(raw: bytes) -> str:
    """The beginning of a row; what is no UTF-8 is shown by its hexadecimal codes."""
    return raw[:TEXT_LIMIT].decode("utf-8", "backslashreplace").rstrip("\r\n")[:TEXT_LIMIT]


def too_many_bad_rows(first: Sequence[BadRow], reasons: Mapping[str, int], rows: int, most: float) -> MalformedData:
    """The error for more bad rows than may be: how many, why, and where the first are.

    Args:
        first: Some of them, at least one.
        reasons: How many there are, by reason.
        rows: All rows, the good ones too.
        most: So much of them might be bad.
    """
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    places = "; ".join(f"{row.place}: {row.message}" for row in first[:_NAMED_ROWS])
    return MalformedData(
        f"{sum(reasons.values())} of {rows} rows are bad, more than {most:g} of them: {counts}; first {places}",
        where=first[0].place,
        next_step="correct the rows, or allow more of them with --max-bad-fraction",
    )
