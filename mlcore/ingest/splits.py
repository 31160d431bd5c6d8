"""Which rows of a span are for training and which for evaluation, where something else than time says so.

The hash split is a function of the key's values alone: the same on every machine, for every order of rows and every
way they are divided into files. A row is for evaluation when the first eight bytes (big-endian) of the BLAKE2b digest
of its key are less than ``evaluation * 2**64``. The key is written column by column: a letter for the type, then

    s  UTF-8 length (8 bytes) and UTF-8         i  the integer (8 bytes)      b  0 or 1 (8 bytes)
    d  days since 1970-01-01 (8 bytes)          t  microseconds since then    f  IEEE 754 double, one zero and one NaN
    n  missing, and nothing after it

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
from mlcore.errors import MalformedData, quoted
from mlcore.ingest.checks import Location

_WORD = struct.Struct("<q")
_DOUBLE = struct.Struct("<d")


def split_rows(table: pa.Table, data: Data, location: Location) -> dict[SplitName, pa.Table]:
    """The rows of each split, in the order of the table; nothing for a split by time, which whole spans make.

    Raises:
        MalformedData: A column says of rows that belong together that they are on both sides.
    """
    match data.split:
        case TimeSplit():
            return {}
        case HashSplit(evaluation=share, split_by=columns):
            chosen = for_evaluation(table, columns or data.key, share)
            return {
                SplitName.TRAIN: table.filter(pa.array(~chosen)),
                SplitName.EVALUATION: table.filter(pa.array(chosen)),
            }
        case ColumnSplit() as split:
            return _by_column(table, split, split.split_by or data.key, location)


def for_evaluation(table: pa.Table, columns: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Of each row, whether its key is among the share for evaluation."""
    threshold = int(share * 2**64)
    parts = [_encoded(table[name]) for name in columns]
    hashes = (hashlib.blake2b(b"".join(row), digest_size=8).digest() for row in zip(*parts, strict=True))
    return np.fromiter((int.from_bytes(found, "big") < threshold for found in hashes), bool, table.num_rows)


def _encoded(column: pa.ChunkedArray) -> list[bytes]:
    kind = column.type
    if pa.types.is_string(kind):
        texts = (None if value is None else value.encode() for value in column.to_pylist())
        return [b"n" if text is None else b"s" + _WORD.pack(len(text)) + text for text in texts]
    if pa.types.is_floating(kind):
        return [b"n" if value is None else b"f" + _double(value) for value in column.to_pylist()]
    if pa.types.is_date32(kind):
        letter, column = b"d", column.cast(pa.int32())
    else:
        letter = b"t" if pa.types.is_timestamp(kind) else b"b" if pa.types.is_boolean(kind) else b"i"
    numbers = column.cast(pa.int64()).to_pylist()
    return [b"n" if number is None else letter + _WORD.pack(number) for number in numbers]


def _double(value: float) -> bytes:
    return _DOUBLE.pack(float("nan") if value != value else value + 0.0)


def _by_column(
    table: pa.Table, split: ColumnSplit, together: Sequence[str], location: Location
) -> dict[SplitName, pa.Table]:
    says = table[split.column].cast(pa.string())
    sides = {SplitName.TRAIN: split.train, SplitName.EVALUATION: split.evaluation}
    rows = {
        name: pc.fill_null(pc.is_in(says, pa.array(values, pa.string())), fill_value=False)
        for name, values in sides.items()
    }
    _check_apart(table, rows, together, location)
    rest = table.drop_columns([split.column])  # which has one value on each side: no feature, and no anomaly
    return {name: rest.filter(chosen) for name, chosen in rows.items()}


def _check_apart(
    table: pa.Table, rows: dict[SplitName, pa.ChunkedArray], together: Sequence[str], location: Location
) -> None:
    keys = list(zip(*(_encoded(table[name]) for name in together), strict=True))
    chosen = {name: np.flatnonzero(side.to_numpy()).tolist() for name, side in rows.items()}
    trained = {keys[row] for row in chosen[SplitName.TRAIN]}
    for row in chosen[SplitName.EVALUATION]:
        if keys[row] in trained:
            shown = ", ".join(f"{name}={quoted(table[name][row].as_py(), limit=40)}" for name in together)
            raise MalformedData(
                f"{shown} is in both splits",
                where=location(row),
                next_step="correct the column that data.split names, or split by hash",
            )
