"""The Arrow form of the configured columns."""

from __future__ import annotations

import pyarrow as pa

from mlcore.config.data import ColumnType, Data, Label
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


def label_type(label: Label, columns: dict[str, ColumnType]) -> pa.DataType:
    """``int8`` for a class, ``float64`` for an amount.

    Raises:
        ConfigError: No label can be made of the outcome column, or its name is taken.
    """
    kind = columns[label.column]
    if label.name in columns:
        raise ConfigError(
            f"the label's name {label.name!r} is also a column's",
            where="data.label.name",
            next_step="give the label a name of its own",
        )
    if kind in ("int64", "float64"):
        return pa.float64() if label.above is None else pa.int8()
    if kind == "bool" and label.above is None:
        return pa.int8()
    raise ConfigError(
        f"no label can be made of {label.column!r}, a column of type {kind}"
        + ("" if label.above is None else f", by above: {label.above}"),
        where="data.label.column",
        next_step="choose a column of type int64 or float64, or one of type bool without above",
    )


def examples_schema(data: Data) -> pa.Schema:
    """The columns of every Examples table of a pipeline: the configured ones, then the label."""
    kinds = column_types(data) | {data.label.name: label_type(data.label, data.columns)}
    return pa.schema(list(kinds.items()))
