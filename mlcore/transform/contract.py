"""The columns a graph reads and their types: what a caller must give, and what is said when it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from mlcore.errors import DataError, quoted

ARROW_TYPES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
    }
)
"""Arrow type by the name the pipeline file has for it."""


def conform(table: pa.Table | pa.RecordBatch, columns: Mapping[str, str]) -> dict[str, pa.Array]:
    """The columns asked for, each one array of exactly its type; what else the table holds is left alone.

    A column of another width or encoding of the same kind (int32, dictionary of strings, date64) is converted where
    no value changes. A column that holds nothing but nulls may have any type.

    Raises:
        DataError: A column is missing, is there twice, or is of another kind.
    """
    names = table.schema.names
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(
            f"the rows lack {'columns' if len(missing) > 1 else 'column'} {_listed(missing)}",
            where=f"given: {_listed(names)}",
            next_step=f"give all of {', '.join(columns)}; a value that is not known is null",
        )
    return {name: _column(table, name, type_name) for name, type_name in columns.items()}


def _column(table: pa.Table | pa.RecordBatch, name: str, type_name: str) -> pa.Array:
    if table.schema.names.count(name) > 1:
        raise DataError(f"column {quoted(name)} is there twice", next_step="give every column once")
    column = table.column(name)
    array = _whole(column) if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # strings beyond 2 GiB stay in chunks
        raise DataError(f"column {quoted(name)} is too large for one array", next_step="give fewer rows at a time")
    wanted = ARROW_TYPES[type_name]
    if array.type == wanted:
        return array
    if array.null_count == len(array):
        return pa.nulls(len(array), wanted)
    if _same_kind(array.type, type_name):
        try:
            return array.cast(wanted, safe=True)
        except pa.ArrowInvalid as error:
            raise _mistyped(name, wanted, array.type, f": {quoted(str(error))}") from error
    raise _mistyped(name, wanted, array.type)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """As one array; of a single chunk that one, which Arrow would copy."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _mistyped(name: str, wanted: pa.DataType, given: pa.DataType, why: str = "") -> DataError:
    return DataError(
        f"column {quoted(name)} must be of type {wanted} and is of type {given}{why}",
        where=f"column {name}",
        next_step=f"convert the column to {wanted}",
    )


def _same_kind(given: pa.DataType, type_name: str) -> bool:
    if pa.types.is_dictionary(given):
        return _same_kind(given.value_type, type_name)
    match type_name:
        case "string":
            return bool(pa.types.is_large_string(given) or pa.types.is_string_view(given) or pa.types.is_string(given))
        case "int64":
            return bool(pa.types.is_integer(given))
        case "float64":
            return bool(pa.types.is_integer(given) or pa.types.is_floating(given) or pa.types.is_decimal(given))
        case "date":
            return bool(pa.types.is_date(given))
        case "timestamp":
            return bool(pa.types.is_timestamp(given) and given.tz is not None)
        case _:
            return False


def _listed(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(quoted(name, limit=40) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
