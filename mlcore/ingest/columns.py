"""The Arrow form of the configured columns."""

from __future__ import annotations

import pyarrow as pa

from mlcore.config.data import ColumnType, Data, Task, decimal_digits
from mlcore.errors import ConfigError

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_DIGITS_OF_128_BITS = 38


def arrow_type(kind: ColumnType) -> pa.DataType:
    """The Arrow type of a configured one; a decimal is exact, in 128 bits where they are enough.

    >>> arrow_type("decimal(10,2)")
    Decimal128Type(decimal128(10, 2))
    """
    digits = decimal_digits(kind)
    if digits is None:
        return ARROW_TYPES[kind]
    return (pa.decimal128 if digits[0] <= _DIGITS_OF_128_BITS else pa.decimal256)(*digits)


def column_types(data: Data) -> dict[str, pa.DataType]:
    """The Arrow type of each column of the source that is kept, in the configured order."""
    return {name: arrow_type(kind) for name, kind in data.columns.items()}


_OUTCOMES: dict[Task, tuple[ColumnType, ...]] = {
    "binary": ("bool",),
    "multiclass": ("string", "int64"),
    "regression": ("int64", "float64"),
}
"""The types of outcome that are a label as they are."""


def label_type(data: Data) -> pa.DataType:
    """``int8`` for one of two classes, the outcome's own type for one of many, ``float64`` for an amount.

    Raises:
        ConfigError: No label can be made of the outcome column, or its name is taken.
    """
    label, task = data.label, data.task
    kind = data.columns[label.column]
    if label.name in data.columns:
        raise ConfigError(
            f"the label's name {label.name!r} is also a column's",
            where="data.label.name",
            next_step="give the label a name of its own",
        )
    amount = kind in ("int64", "float64") or decimal_digits(kind) is not None
    if label.above is not None:
        if task == "binary" and amount:
            return pa.int8()
    elif kind in _OUTCOMES[task] or (task == "regression" and amount):
        return ARROW_TYPES[kind] if task == "multiclass" else pa.float64() if task == "regression" else pa.int8()
    raise ConfigError(
        f"no {task} label can be made of {label.column!r}, a column of type {kind}"
        + ("" if label.above is None else f", by above: {label.above}"),
        where="data.label.column",
        next_step="binary: a bool column, or a number with above; multiclass: string or int64;"
        " regression: int64, float64 or a decimal",
    )


def examples_schema(data: Data) -> pa.Schema:
    """The columns of every Examples table of a pipeline: the configured ones, then the label."""
    kinds = column_types(data) | {data.label.name: label_type(data)}
    return pa.schema(list(kinds.items()))
