"""Text cells to typed columns, and which cells cannot be converted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import quoted
from mlcore.ingest.formats.casting import Mask, cast
from mlcore.ingest.formats.moments import moments

_EXPECTED = {
    pa.string(): "text",
    pa.int64(): "a whole number of 64 bits",
    pa.float64(): "a number",
    pa.bool_(): "true or false",
    pa.date32(): "a date like 2013-01-31",
    pa.timestamp("us", tz="UTC"): "a moment with an offset like 2013-01-31T10:00:00Z",
    pa.timestamp("us"): "a moment like 2013-01-31T10:00:00",
}
_WHITE = " \t\n\r\v\f"
_NO_NUMBER = "\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notation:
    """How the text of a column writes what can be written in more than one way.

    Attributes:
        decimal: What stands before the decimals of a number.
        true_values, false_values: The texts of a bool.
        format: Of dates and moments, as in ``datetime.strptime``; without it they are ISO 8601.
        timezone: Where the clock hung that moments without an offset were read from; without it they are no moments. Of
            an hour that it showed twice the first is meant; one that it left out is no moment.
    """

    decimal: str = "."
    true_values: tuple[str, ...] = ("1", "true", "TRUE", "True")
    false_values: tuple[str, ...] = ("0", "false", "FALSE", "False")
    format: str | None = None
    timezone: str | None = None

    def expected(self, kind: pa.DataType) -> str:
        """What a cell of a column of this type should be, in words."""
        if pa.types.is_boolean(kind):
            return f"one of {', '.join((*self.true_values, *self.false_values))}" if self != PLAIN else expected(kind)
        if not pa.types.is_temporal(kind):
            return expected(kind) + (f" with a {self.decimal} before its decimals" if self.decimal != "." else "")
        if self.format is not None:
            return f"written as {self.format}"
        return expected(kind if self.timezone is None else pa.timestamp("us"))

    def parses(self, kind: pa.DataType) -> bool:
        """Whether columns of a type are parsed here: Arrow's CSV reader knows neither zones nor formats of dates."""
        if pa.types.is_timestamp(kind):
            return self.format is not None or self.timezone is not None
        return pa.types.is_date(kind) and self.format is not None


PLAIN = Notation()


def expected(kind: pa.DataType) -> str:
    """What a plainly written cell of a column of this type should be, in words."""
    if pa.types.is_decimal(kind):
        return f"a number of at most {kind.precision} digits, {kind.scale} of them behind the point"
    return _EXPECTED.get(kind, f"a value of type {kind}")


def decoded(cells: pa.Array) -> tuple[pa.Array, Mask]:
    """Bytes as strings, and where they are no UTF-8; a cell that is none becomes null."""
    return cast(cells, pa.string())


def converted(cells: pa.Array, kind: pa.DataType, notation: Notation = PLAIN) -> tuple[pa.Array, Mask]:
    """Strings in another type, and where they cannot be; a cell that cannot becomes null."""
    if pa.types.is_string(kind):
        return cells, np.zeros(len(cells), bool)
    if pa.types.is_boolean(kind):
        return _truth(pc.utf8_trim(cells, " \t"), notation)
    if notation.parses(kind):
        return moments(pc.utf8_trim(cells, _WHITE), kind, notation.format, notation.timezone)
    if pa.types.is_primitive(kind) and not pa.types.is_temporal(kind):
        return cast(as_numbers(cells, notation.decimal), kind)
    texts = pc.utf8_trim(cells, " \t")
    return cast(_with_point(texts, notation.decimal) if pa.types.is_decimal(kind) else texts, kind)


def as_numbers(cells: pa.Array, decimal: str = ".") -> pa.Array:
    """Strings as Arrow reads numbers: without the white space around them, and without a plus sign."""
    trimmed = _with_point(pc.utf8_trim(cells, _WHITE), decimal)
    if not pc.any(pc.starts_with(trimmed, "+")).as_py():
        return trimmed
    return pc.replace_substring_regex(trimmed, pattern=r"^\+([0-9.])", replacement=r"\1")


def _with_point(cells: pa.Array, decimal: str) -> pa.Array:
    """Decimals behind a point; where something else stands before them, a point makes no number."""
    if decimal == ".":
        return cells
    return pc.replace_substring(pc.replace_substring(cells, ".", _NO_NUMBER), decimal, ".")


def wrong_value(column: str, cell: str, kind: pa.DataType, notation: Notation = PLAIN) -> str:
    """The sentence for a cell that cannot be converted."""
    return f"column {column}: {quoted(cell, limit=60)} is not {notation.expected(kind)}"


def _truth(cells: pa.Array, notation: Notation) -> tuple[pa.Array, Mask]:
    true = pc.is_in(cells, pa.array(notation.true_values))
    known = pc.or_(true, pc.is_in(cells, pa.array(notation.false_values)))
    bad = pc.and_(cells.is_valid(), pc.invert(known)).to_numpy(zero_copy_only=False)
    return pc.if_else(known, true, pa.scalar(None, pa.bool_())), bad
