from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.postgres_source import make_request, own_server, rows_of, run

from mlcore.errors import ConfigError, DataError, MalformedData
from mlcore.ingest.postgres import copy as copying
from mlcore.ingest.postgres.extract import extract

AT = "timestamptz '2024-01-02 03:04:05+00' AS at, 1 AS id"
MOMENT = pa.timestamp("us", tz="UTC")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", '"', '""', ",", "\n", "\r\n", "\\.", "\\N", "NULL", " a ", "\u2028", "\ufeff"]
)


def unfolded(moment: datetime) -> datetime:
    """Neither side knows the second one of two equal hours."""
    return moment.replace(fold=0)


CASES: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "smallint": ("int2", pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "integer": ("int4", pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "bigint": ("int8", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "real": ("float4", pa.float32(), st.floats(width=32)),
    "double": ("float8", pa.float64(), st.floats()),
    "numeric": (
        "numeric(38, 10)",
        pa.decimal128(38, 10),
        st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**27), max_value=10**27),
    ),
    "boolean": ("bool", pa.bool_(), st.booleans()),
    "date": ("date", pa.date32(), st.dates()),
    "timestamptz": ("timestamptz", MOMENT, st.datetimes(timezones=st.just(UTC)).map(unfolded)),
    "timestamp": ("timestamp", pa.timestamp("us"), st.datetimes().map(unfolded)),
    "text": ("text", pa.string(), TEXT),
    "varchar": ("varchar(40)", pa.string(), TEXT),
    "uuid": ("uuid", pa.string(), st.uuids().map(str)),
    "json": ("json", pa.string(), st.sampled_from(['{"a": [1, null]}', '"x\\ny"', "null", "[]"])),
    "enum": ("mood", pa.string(), st.sampled_from(["sad", "so, so", ""])),
    "domain": ("percent", pa.int32(), st.integers(0, 100)),
}


@pytest.fixture(scope="module")
def url(postgres_url: str) -> Iterator[str]:
    run(postgres_url, "CREATE DATABASE source_types")
    made = postgres_url.replace("/postgres?", "/source_types?")
    run(
        made,
        "CREATE TYPE mood AS ENUM ('sad', 'so, so', '')",
        "CREATE DOMAIN percent AS int4 CHECK (value BETWEEN 0 AND 100)",
        "CREATE TYPE pair AS (a int, b int)",
    )
    yield made
    run(postgres_url, "DROP DATABASE source_types WITH (FORCE)")


def bits(value: object) -> str:
    """A text that tells apart what must be, and not one NaN from another."""
    return repr(value)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_values_come_back_as_they_are(url: str, tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Every value of every type that is read, and NULL, is the same in Arrow."""
    kind, arrow, strategy = CASES[name]
    values = data.draw(st.lists(st.none() | strategy, min_size=1, max_size=30))
    with psycopg2.connect(url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS typed; CREATE TABLE typed (id int4, at timestamptz, value {kind})")
        # As text: a literal -0.0 is a numeric to the server, which has no negative zero.
        texts = [repr(value) if isinstance(value, float) else value for value in values]
        rows = [(number, datetime(2024, 1, 2, tzinfo=UTC), value) for number, value in enumerate(texts)]
        cursor.executemany("INSERT INTO typed VALUES (%s, %s, %s)", rows)
    table = rows_of(extract(make_request(url, table="typed"), tmp_path / "x"))
    assert table.schema.field("value").type == arrow
    assert [bits(value) for value in naive(table["value"])] == [bits(value) for value in values]


def naive(column: pa.ChunkedArray) -> list[object]:
    return [
        value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo else value
        for value in column.to_pylist()
    ]


@pytest.mark.parametrize(
    ("expression", "declared", "value"),
    [
        ("12.345::numeric", None, "12.345"),
        ("'NaN'::numeric", None, "NaN"),
        ("12.345::numeric", pa.float64(), 12.345),
        ("'NaN'::numeric", pa.float64(), float("nan")),
        ("9007199254740993::numeric", pa.int64(), 2**53 + 1),
        ("9007199254740993::numeric(20, 0)", pa.int64(), 2**53 + 1),
        ("1.5::numeric(3, 1)", pa.string(), "1.5"),
        ("1.5::numeric(3, 1)", pa.decimal128(10, 4), Decimal("1.5000")),
        ("7::int2", pa.int64(), 7),
        ("7::int4", pa.float64(), 7.0),
        ("0.1::float4", pa.float64(), 0.10000000149011612),
        ("timestamp '2024-01-02 05:00'", MOMENT, datetime(2024, 1, 2, 5, tzinfo=UTC)),
        ("date '2024-01-02'", MOMENT, datetime(2024, 1, 2, tzinfo=UTC)),
        ("date '2024-01-02'", pa.string(), "2024-01-02"),
        ("timestamptz '2024-01-02 05:00:00.25+05:30'", None, datetime(2024, 1, 1, 23, 30, 0, 250000, tzinfo=UTC)),
        ('\'{"b": 1, "a": 2}\'::jsonb', None, '{"a": 2, "b": 1}'),
        (f"'{uuid.UUID(int=7)}'::uuid", pa.string(), str(uuid.UUID(int=7))),
        ("repeat('long ', 2000000)", None, "long " * 2_000_000),
    ],
)
def test_a_column_is_read_as_it_is_declared(
    url: str, tmp_path: Path, expression: str, declared: pa.DataType, value: object
) -> None:
    """The documented pairs of a PostgreSQL type and a declared one, exactly."""
    columns = None if declared is None else {"v": declared, "at": MOMENT, "id": pa.int32()}
    request = make_request(url, query=f"SELECT {expression} AS v, {AT}", columns=columns)
    assert bits(naive(rows_of(extract(request, tmp_path / "x"))["v"])[0]) == bits(value)


def test_what_a_role_or_server_sets_changes_no_value(url: str, tmp_path: Path) -> None:
    """Time zone, date style and float digits of the database are not those we read with."""
    sql = "SELECT timestamptz '2024-01-02 03:04:05+00' AS at, date '2024-02-03' AS d, 0.1 + 0.2::float8 AS x, 1 AS id"
    request = make_request(url, query=sql)
    before = rows_of(extract(request, tmp_path / "x")).to_pylist()
    for setting in ("TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German'", "extra_float_digits = -15"):
        run(url, f"ALTER DATABASE source_types SET {setting}")
    try:
        assert rows_of(extract(request, tmp_path / "x")).to_pylist() == before
    finally:
        run(url, "ALTER DATABASE source_types RESET ALL")
    assert before[0]["d"] == date(2024, 2, 3)
    assert before[0]["x"] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("expression", "told", "cast"),
    [
        ("ARRAY[1, 2]", "column 'v' is an array of int4", 'array_to_json("v")'),
        ("ARRAY['a']::text[]", "column 'v' is an array of text", "array_to_json"),
        ("'\\x00'::bytea", "column 'v' is of type bytea", "encode(\"v\", 'base64')"),
        ("interval '1 day'", "column 'v' is of type interval", "extract(epoch from"),
        ("ROW(1, 2)::pair", "column 'v' is of type pair", '"v"::text'),
        ("time '12:00'", "column 'v' is of type time without time zone", '"v"::text'),
        ("point '(1, 2)'", "column 'v' is of type point", '"v"::text'),
        ("int4range(1, 2)", "column 'v' is of type int4range", '"v"::text'),
    ],
)
def test_a_type_that_is_not_read_is_refused_by_name(
    url: str, tmp_path: Path, expression: str, told: str, cast: str
) -> None:
    """The message names the column and its type, and says how to cast it; the column may be left out."""
    query = f"SELECT {expression} AS v, {AT}"
    with pytest.raises(ConfigError) as raised:
        extract(make_request(url, query=query), tmp_path / "x")
    assert told in raised.value.what
    assert cast in raised.value.next_step
    left_out = make_request(url, query=query, columns={"at": MOMENT, "id": pa.int64()})
    assert rows_of(extract(left_out, tmp_path / "x")).num_rows == 1


@pytest.mark.parametrize(
    ("expression", "declared"),
    [
        ("'a'::text", pa.int64()), ("1.5::float8", pa.int64()), ("true", pa.int64()), ("1::int8", pa.int32()),
        ("1.5::numeric(3, 1)", pa.int64()), ("now()", pa.date32()), ("'a'::text", pa.float64()),
        ("1::int4", MOMENT), ("1::int4", pa.bool_()),
    ],
)  # fmt: skip
def test_a_declared_type_that_could_lose_something_is_refused(
    url: str, tmp_path: Path, expression: str, declared: pa.DataType
) -> None:
    """Nothing is rounded, cut or guessed: the message says what the column is and what it may be."""
    columns = {"v": declared, "at": MOMENT, "id": pa.int64()}
    with pytest.raises(ConfigError, match="which is not read as") as raised:
        extract(make_request(url, query=f"SELECT {expression} AS v, {AT}", columns=columns), tmp_path / "x")
    assert raised.value.where == "data.columns.v"


@pytest.mark.parametrize(
    ("expression", "declared", "remedy"),
    [
        ("timestamptz 'infinity'", None, "isfinite"),
        ("timestamptz '10000-01-01 00:00+00'", None, "years 1 to 9999"),
        ("timestamp '0044-03-15 BC'", None, "years 1 to 9999"),
        ("date '-infinity'", None, "isfinite"),
        ("'NaN'::numeric(5, 2)", None, "float64"),
        ("1.5::numeric", pa.int64(), "float64"),
        ("1e30::numeric", pa.int64(), "float64"),
    ],
)
def test_a_value_without_an_exact_form_stops_the_read(
    url: str, tmp_path: Path, expression: str, declared: pa.DataType, remedy: str
) -> None:
    """The message names the column and the value, and how to declare or map it."""
    columns = None if declared is None else {"v": declared, "at": MOMENT, "id": pa.int64()}
    with pytest.raises(MalformedData, match="column v holds a value") as raised:
        extract(make_request(url, query=f"SELECT {expression} AS v, {AT}", columns=columns), tmp_path / "x")
    assert remedy in raised.value.next_step


def test_rows_larger_than_the_buffer_stay_whole(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of all sizes around the buffer's, with line breaks in them, are neither cut nor joined."""
    monkeypatch.setattr(copying, "CHUNK_BYTES", 1000)
    value = "repeat(E'x\\n\"', g * 7 % 1300) AS v"
    sql = f"SELECT g AS id, timestamptz '2024-01-02Z' AS at, {value} FROM generate_series(1, 2000) g"
    table = rows_of(extract(make_request(url, query=sql), tmp_path / "x"))
    assert table["v"].to_pylist() == ['x\n"' * (number * 7 % 1300) for number in range(1, 2001)]


def test_a_refused_login_is_told_without_the_password(tmp_path: Path) -> None:
    """A wrong password, user, database or host is told at once, in words, with the address and no secret."""
    with own_server() as server:
        run(server.url, "CREATE ROLE reader LOGIN PASSWORD 'right-one'", "CREATE TABLE t (id int, at timestamptz)")
        place = f"127.0.0.1:{server.port}/postgres"
        cases = {
            f"postgresql://reader:wrong-one@{place}": "password authentication failed",
            f"postgresql://nobody:wrong-one@{place}": "password authentication failed",
            f"postgresql://reader:right-one@{place}x": "does not exist",
            "postgresql://reader:right-one@no-such-host.invalid/x": "could not translate host name",
        }
        for address, told in cases.items():
            with pytest.raises(ConfigError, match=told) as raised:
                extract(make_request(address, table="t"), tmp_path / "x")
            text = f"{raised.value!r} {raised.value} {raised.value.__cause__}"
            assert "-one" not in text
            assert raised.value.where.startswith("postgresql://")
        with pytest.raises(DataError, match="permission denied") as denied:
            extract(make_request(f"postgresql://reader:right-one@{place}", table="t"), tmp_path / "x")
        assert "SELECT" in denied.value.next_step
