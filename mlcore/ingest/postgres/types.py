"""PostgreSQL's types as Arrow's: exact, or refused by name.

| PostgreSQL | Arrow by itself | may be declared as |
|---|---|---|
| smallint, integer, bigint | int16, int32, int64 | a wider integer, float64, string |
| real, double precision | float32, float64 | float64 |
| numeric(p, s), p at most 38 | decimal128(p, s) | float64 (the nearest), string; int64 where s is 0 |
| numeric, wider or without a precision | string (its digits) | float64 (the nearest), int64 (whole numbers only) |
| numeric, smallint, integer, bigint | | a decimal; a value that it has no place for is a bad row |
| boolean | bool | |
| date | date32 | timestamp (midnight UTC), string |
| timestamp with time zone | timestamp(us, UTC) | |
| timestamp | timestamp(us) | timestamp in UTC: it is taken to be UTC |
| text, varchar, char, uuid, json, jsonb, enumerations | string | |

A domain is read as the type it stands on. Everything else is refused: arrays, composites, bytea, intervals, ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mlcore.errors import ConfigError, quoted
from mlcore.ingest.postgres.address import Address
from mlcore.ingest.postgres.connection import described, query

UTC_MOMENT = pa.timestamp("us", tz="UTC")
_KINDS = {
    16: "bool", 20: "int8", 21: "int2", 23: "int4", 700: "float4", 701: "float8", 1700: "numeric", 1082: "date",
    1184: "timestamptz", 1114: "timestamp", 25: "text", 1043: "text", 1042: "text", 19: "text", 18: "text",
    2950: "uuid", 114: "text", 3802: "text",
}  # fmt: skip
_NATURAL = {
    "bool": pa.bool_(), "int2": pa.int16(), "int4": pa.int32(), "int8": pa.int64(), "float4": pa.float32(),
    "float8": pa.float64(), "date": pa.date32(), "timestamptz": UTC_MOMENT, "timestamp": pa.timestamp("us"),
    "text": pa.string(), "uuid": pa.string(),
}  # fmt: skip
_ALSO = {
    "int2": {pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.string()},
    "int4": {pa.int32(), pa.int64(), pa.float64(), pa.string()},
    "int8": {pa.int64(), pa.float64(), pa.string()},
    "float4": {pa.float32(), pa.float64()},
    "numeric": {pa.float64(), pa.string()},
    "date": {pa.date32(), UTC_MOMENT, pa.string()},
    "timestamp": {pa.timestamp("us"), UTC_MOMENT},
}
_DECIMALS = ("numeric", "int2", "int4", "int8")
_CASTS = {
    "_": "array_to_json({})::text, or one column an element", "bytea": "encode({}, 'base64')",
    "interval": "extract(epoch from {})", "time": "{}::text", "timetz": "{}::text", "money": "{}::numeric(18, 2)",
    "hstore": "{}::jsonb",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column to read.

    Attributes:
        name: Its name, in the database and in Arrow.
        kind: The family of its PostgreSQL type.
        type: Its Arrow type.
        sql: What is selected: an expression whose text form Arrow parses into ``type`` without loss.
    """

    name: str
    kind: str
    type: pa.DataType
    sql: str

    @property
    def order(self) -> str:
        """What rows are sorted by, in Arrow's order: text by its bytes."""
        return f'({self.sql})::text COLLATE "C"' if pa.types.is_string(self.type) else f"({self.sql})"

    @property
    def hashed(self) -> str:
        """What tells a changed value from the same: a type the server can hash."""
        return f"({self.sql})::text" if self.kind == "text" else f"({self.sql})"


def name_of(text: str) -> str:
    """A name as SQL.

    >>> name_of('od"d')
    '"od""d"'
    """
    return '"' + text.replace('"', '""') + '"'


def columns_of(
    connection: Any, address: Address, relation: str, wanted: Mapping[str, pa.DataType] | None = None
) -> tuple[Column, ...]:
    """The columns of a relation, with how each is read.

    Args:
        connection: An open connection.
        address: For messages.
        relation: A quoted table, or a query in parentheses with an alias.
        wanted: The columns to read with the types they must have; all, in types of their own, by default. What is to
            be a decimal is read in a type of its own, too.

    Raises:
        ConfigError: A column is not there, or has a type that cannot be read, or not as the wanted one.
    """
    found = {item.name: item for item in described(connection, address, relation)}
    names = list(found if wanted is None else wanted)
    kinds = _named_kinds(connection, address, found, names)
    return tuple(_column(found[name], kinds[name], (wanted or {}).get(name)) for name in names)


def kinds_of(connection: Any, address: Address, relation: str, names: Sequence[str]) -> dict[str, str]:
    """The family of each column's type, empty for one that cannot be read.

    Raises:
        ConfigError: A column is not there.
    """
    found = {item.name: item for item in described(connection, address, relation)}
    return {name: kind for name, (kind, _) in _named_kinds(connection, address, found, names).items()}


def _named_kinds(
    connection: Any, address: Address, found: Mapping[str, Any], names: Sequence[str]
) -> dict[str, tuple[str, str]]:
    if missing := [name for name in names if name not in found]:
        raise ConfigError(
            f"there is no column {quoted(missing[0])}; there are {quoted(', '.join(found), limit=400)}",
            where=str(address),
            next_step="correct the name in the pipeline file, or give the column this name in data.source.query",
        )
    kinds = _kinds(connection, address, {found[name].type_code for name in names})
    return {name: kinds[found[name].type_code] for name in names}


def _kinds(connection: Any, address: Address, codes: set[int]) -> dict[int, tuple[str, str]]:
    """For each type: its family, empty where it cannot be read, and its name."""
    rows = query(
        connection,
        address,
        "SELECT oid::int8, typname::text, typtype::text, format_type(oid, NULL) FROM pg_type"
        " WHERE oid = ANY(%s::oid[])",
        (sorted(codes),),
    )
    return {oid: (_kind(oid, name, kind), name if name[0] == "_" else shown) for oid, name, kind, shown in rows}


def _kind(oid: int, name: str, typtype: str) -> str:
    return "uuid" if typtype == "e" else _KINDS.get(oid, "text" if name == "citext" else "")


def _column(item: Any, kind: tuple[str, str], wanted: pa.DataType | None) -> Column:
    family, type_name = kind
    if not family:
        raise _refused(item.name, type_name)
    natural = _natural(family, item)
    target = natural if wanted is None or _converted_later(family, natural, wanted) else wanted
    fits = _always_fits(natural, target) or _whole(family, natural, target)
    if target != natural and target not in _ALSO.get(family, ()) and not fits:
        raise ConfigError(
            f"column {quoted(item.name)} is {type_name}, which is not read as {target}",
            where=f"data.columns.{item.name}",
            next_step=f"declare it as {natural}, or cast it in data.source.query",
        )
    return Column(name=item.name, kind=family, type=target, sql=_expression(name_of(item.name), family, target))


def _natural(family: str, item: Any) -> pa.DataType:
    if family != "numeric":
        return _NATURAL[family]
    precision, scale = item.precision, item.scale
    if precision is None or precision > 38 or precision == 65535 or not 0 <= scale <= precision:
        return pa.string()
    return pa.decimal128(precision, scale)


def _always_fits(natural: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of a decimal is one of another, which the driver's text can be parsed into."""
    if not (pa.types.is_decimal(natural) and pa.types.is_decimal128(wanted)):
        return False
    whole = wanted.precision - wanted.scale >= natural.precision - natural.scale
    return bool(whole and wanted.scale >= natural.scale)


def _converted_later(family: str, natural: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column is sent as it is and made a decimal where a value that does not fit can be put aside."""
    return bool(pa.types.is_decimal(wanted) and family in _DECIMALS and not _always_fits(natural, wanted))


def _whole(family: str, natural: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a numeric is read as an integer: a value that does not fit stops the read."""
    return bool(family == "numeric" and wanted == pa.int64() and (pa.types.is_string(natural) or natural.scale == 0))


def _expression(name: str, family: str, target: pa.DataType) -> str:
    if target == UTC_MOMENT and family == "timestamp":
        return f"{name} AT TIME ZONE 'UTC'"
    if target == UTC_MOMENT and family == "date":
        return f"{name}::timestamp AT TIME ZONE 'UTC'"
    if target == pa.float64() and family == "float4":
        return f"{name}::float8"
    return f"{name}::text" if target == pa.string() and family != "text" else name


def _refused(column: str, type_name: str) -> ConfigError:
    array = type_name.startswith("_")
    shown = f"an array of {type_name[1:]}" if array else f"of type {type_name}"
    cast = _CASTS.get("_" if array else type_name.split(" ")[0], "{}::text").format(name_of(column))
    return ConfigError(
        f"column {quoted(column)} is {shown}, which no feature can be",
        where=f"data.columns.{column}",
        next_step=f"leave it out of data.columns, or cast it in data.source.query, for instance {cast}",
    )


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema of the columns."""
    return pa.schema([(column.name, column.type) for column in columns])
