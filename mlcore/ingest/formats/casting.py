"""Values in another type, and which of them cannot be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]


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
