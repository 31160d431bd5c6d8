"""The Arrow form of the configured columns."""

from __future__ import annotations

import pyarrow as pa

from mlcore.config.data import ColumnType, Data, Task
from mlcore.errors import ConfigError

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}


def column_types(data: Data) -> dict[str, pa.DataType]:
    """The Arrow type of each column of the source that is kept, in the configured order."""
    return {name: ARROW_TYPES[kind] for name, kind in data.columns.items()}


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
    if label.above is not None:
        if task == "binary" and kind in ("int64", "float64"):
            return pa.int8()
    elif kind in _OUTCOMES[task]:
        return ARROW_TYPES[kind] if task == "multiclass" else pa.float64() if task == "regression" else pa.int8()
    raise ConfigError(
        f"no {task} label can be made of {label.column!r}, a column of type {kind}"
        + ("" if label.above is None else f", by above: {label.above}"),
        where="data.label.column",
        next_step="binary: a bool column, or a number with above; multiclass: string or int64;"
        " regression: int64 or float64",
    )


def examples_schema(data: Data) -> pa.Schema:
    """The columns of every Examples table of a pipeline: the configured ones, then the label."""
    kinds = column_types(data) | {data.label.name: label_type(data)}
    return pa.schema(list(kinds.items()))
