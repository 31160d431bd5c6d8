"""Text cells to typed columns, and which cells cannot be converted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.errors import quoted

Mask = npt.NDArray[np.bool_]
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
_TRUE, _FALSE = ("1", "true", "TRUE", "True"), ("0", "false", "FALSE", "False")


def expected(kind: pa.DataType) -> str:
    """What a cell of a column of this type should be, in words."""
    if pa.types.is_decimal(kind):
        return f"a number of at most {kind.precision} digits, {kind.scale} of them behind the point"
    return _EXPECTED.get(kind, f"a value of type {kind}")


def decoded(cells: pa.Array) -> tuple[pa.Array, Mask]:
    """Bytes as strings, and where they are no UTF-8; a cell that is none becomes null."""
    return cast(cells, pa.string())


def converted(cells: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Strings in another type, and where they cannot be; a cell that cannot becomes null."""
    if pa.types.is_string(kind):
        return cells, np.zeros(len(cells), bool)
    if kind == pa.bool_():
        return _truth(pc.utf8_trim(cells, " \t"))
    return cast(
        as_numbers(cells)
        if pa.types.is_primitive(kind) and not pa.types.is_temporal(kind)
        else pc.utf8_trim(cells, " \t"),
        kind,
    )


def as_numbers(cells: pa.Array) -> pa.Array:
    """Strings as Arrow reads numbers: without the white space around them, and without a plus sign."""
    trimmed = pc.utf8_trim(cells, _WHITE)
    if not pc.any(pc.starts_with(trimmed, "+")).as_py():
        return trimmed
    return pc.replace_substring_regex(trimmed, pattern=r"^\+([0-9.])", replacement=r"\1")


def wrong_value(column: str, cell: str, kind: pa.DataType) -> str:
    """The sentence for a cell that cannot be converted."""
    return f"column {column}: {quoted(cell, limit=60)} is not {expected(kind)}"


def _truth(cells: pa.Array) -> tuple[pa.Array, Mask]:
    true = pc.is_in(cells, pa.array(_TRUE))
    known = pc.or_(true, pc.is_in(cells, pa.array(_FALSE)))
    bad = pc.and_(cells.is_valid(), pc.invert(known)).to_numpy(zero_copy_only=False)
    return pc.if_else(known, true, pa.scalar(None, pa.bool_())), bad


def cast(cells: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Mask]:
    """Values in another type, and where they cannot be; a value that cannot becomes null."""
    try:
        return cells.cast(kind), np.zeros(len(cells), bool)
    except pa.ArrowInvalid:
        coded = cells.dictionary_encode()
    wrong = np.zeros(len(coded.dictionary) + 1, bool)
    _find_wrong(coded.dictionary, kind, wrong, 0)
    codes = coded.indices.fill_null(len(wrong) - 1).to_numpy(zero_copy_only=False)
    right = pc.if_else(pa.array(wrong[:-1]), pa.scalar(None, coded.dictionary.type), coded.dictionary).cast(kind)
    return right.take(coded.indices), wrong[codes]


def _find_wrong(values: pa.Array, kind: pa.DataType, wrong: Mask, offset: int) -> None:
    """By halving: few wrong values cost few conversions."""
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        if len(values) == 1:
            wrong[offset] = True
            return
        middle = len(values) // 2
        _find_wrong(values[:middle], kind, wrong, offset)
        _find_wrong(values[middle:], kind, wrong, offset + middle)
