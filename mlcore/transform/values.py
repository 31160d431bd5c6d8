"""What flows between the steps of a feature: Arrow arrays, or float64 where NaN stands for what is not known.

A value is of one of the kinds of :data:`KINDS`. Numbers that a step made are NumPy arrays; what a column of the source
holds is an Arrow array until a step makes numbers of it.
"""

from __future__ import annotations

from typing import TypeAlias, Union

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Column: TypeAlias = Union[pa.Array, Floats]

NUMBERS = ("int64", "float64", "bool", "code")
CATEGORIES = ("string", "int64", "bool", "code")
TIMES = ("date", "timestamp")
KINDS = ("string", "int64", "float64", "bool", "date", "timestamp", "code", "tokens", "matrix")
"""Column types of the source; ``code``: whole numbers that name categories, made by a step; ``tokens``: a list of
words a row; ``matrix``: several numbers a row, which only the last step may make."""


def to_floats(column: Column) -> Floats:
    """Numbers and booleans as contiguous float64, nulls as NaN; the array itself where it is that already."""
    if isinstance(column, np.ndarray):
        return column
    if column.type == pa.float64():
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def to_categories(column: Column) -> pa.Array:
    """Categories as an Arrow array with nulls: codes become whole numbers."""
    if isinstance(column, np.ndarray):
        unknown = np.isnan(column)
        return pa.array(np.where(unknown, 0.0, column).astype(np.int64), mask=unknown)
    return column


def to_texts(column: Column) -> pa.Array:
    """Categories as strings, nulls as they are; 1 and true are "1" and "true"."""
    array = to_categories(column)
    if pa.types.is_string(array.type):
        return array
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())  # strings of moments need a database of time zones
    return pc.cast(array, pa.string())


def unknown(column: Column) -> Mask:
    """Where there is no value: null, or NaN."""
    if isinstance(column, np.ndarray):
        return np.isnan(column)
    if pa.types.is_floating(column.type):
        return np.isnan(to_floats(column))
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def contiguous(column: Column) -> Column:
    """NumPy's loops over strided and contiguous floats may differ in the last bit: only the latter are used."""
    return np.ascontiguousarray(column) if isinstance(column, np.ndarray) else column
