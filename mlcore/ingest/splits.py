"""Which rows of a span are for training and which for evaluation, where something else than time says so.

The hash split is a function of the key's values alone: the same on every machine, for every order of rows and every
way they are divided into files. A row is for evaluation when the first eight bytes (big-endian) of the BLAKE2b digest
of its key are less than ``evaluation * 2**64``. The key is written column by column: a letter for the type, then

    s  UTF-8 length (8 bytes) and UTF-8         i  the integer (8 bytes)      b  0 or 1 (8 bytes)
    d  days since 1970-01-01 (8 bytes)          t  microseconds since then    f  IEEE 754 double, one zero and one NaN
    n  missing, and nothing after it            m  a decimal: length (8 bytes) and digits, no zeros at the end

all numbers little-endian and signed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.config.data import ColumnSplit, Data, HashSplit, TimeSplit
from mlcore.core.types import SplitName

_WORD = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")


def split_names(data: Data) -> tuple[SplitName, ...]:
    """The splits that a span's rows are divided into; none for a split by time, which whole spans make."""
    return () if isinstance(data.split, TimeSplit) else tuple(SplitName)


def split_schema(schema: pa.Schema, data: Data) -> pa.Schema:
    """The columns of each split: all but the one that says which, for it has one value on each side."""
    if isinstance(data.split, ColumnSplit):
        return schema.remove(schema.get_field_index(data.split.column))
    return schema


def split_rows(rows: pa.RecordBatch, data: Data) -> dict[SplitName, pa.RecordBatch]:
    """The rows of each split, in their order; nothing for a split by time."""
    match data.split:
        case TimeSplit():
            return {}
        case HashSplit(evaluation=share, split_by=columns):
            chosen = for_evaluation(rows, columns or data.key, share)
            return {
                SplitName.TRAIN: rows.filter(pa.array(~chosen)),
                SplitName.EVALUATION: rows.filter(pa.array(chosen)),
            }
        case ColumnSplit(column=column, train=train, evaluation=evaluation):
            says = rows.column(column).cast(pa.string())
            rest = rows.drop_columns([column])
            sides = ((SplitName.TRAIN, train), (SplitName.EVALUATION, evaluation))
            return {name: rest.filter(pc.is_in(says, pa.array(values, pa.string()))) for name, values in sides}


def for_evaluation(rows: pa.RecordBatch, columns: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Of each row, whether its key is among the share for evaluation."""
    threshold = int(share * 2**64)
    parts = [_encoded(rows.column(name)) for name in columns]
    hashes = (hashlib.blake2b(b"".join(row), digest_size=8).digest() for row in zip(*parts, strict=True))
    return np.fromiter((int.from_bytes(found, "big") < threshold for found in hashes), bool, rows.num_rows)


def _encoded(column: pa.Array) -> list[bytes]:
    kind = column.type
    if pa.types.is_string(kind):
        texts = (None if value is None else value.encode() for value in column.to_pylist())
        return [b"n" if text is None else b"s" + _WORD.pack(len(text)) + text for text in texts]
    if pa.types.is_floating(kind):
        return [b"n" if value is None else b"f" + _double(value) for value in column.to_pylist()]
    if pa.types.is_decimal(kind):
        digits = (None if value is None else f"{value:f}".encode() for value in column.to_pylist())
        return [b"n" if text is None else b"m" + _WORD.pack(len(_short(text))) + _short(text) for text in digits]
    if pa.types.is_date32(kind):
        letter, column = b"d", column.cast(pa.int32())
    else:
        letter = b"t" if pa.types.is_timestamp(kind) else b"b" if pa.types.is_boolean(kind) else b"i"
    numbers = column.cast(pa.int64()).to_pylist()
    return [b"n" if number is None else letter + _WORD.pack(number) for number in numbers]


def _short(digits: bytes) -> bytes:
    """A number without zeros that say nothing: the same for every scale."""
    shortened = digits.rstrip(b"0").rstrip(b".") if b"." in digits else digits
    return b"0" if shortened in (b"-0", b"") else shortened


def _double(value: float) -> bytes:
    return _DOUBLE.pack(float("nan") if value != value else value + 0.0)
