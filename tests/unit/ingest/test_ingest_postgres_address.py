from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from mlcore.config.loader import load_pipeline
from mlcore.config.sources import PostgresSource
from mlcore.errors import ConfigError
from mlcore.ingest.postgres.address import Address, address_of, parse_address


def source(**section: object) -> PostgresSource:
    return PostgresSource.model_validate({"type": "postgres", "table": "t"} | section)


def resolved(section: PostgresSource, **environ: str) -> Address:
    return address_of(section, environ)


def test_a_password_is_filled_in_as_it_is() -> None:
    """A variable inside the URL is the text itself, whatever characters it has; who and where stay to be seen."""
    address = resolved(source(url="postgresql://me:${PW}@db:5433/sales?sslmode=require"), PW="p@ss/w:rd?")
    assert address.url == "postgresql://me:p%40ss%2Fw%3Ard%3F@db:5433/sales?sslmode=require"
    assert str(address) == "postgresql://me@db:5433/sales"


def test_no_form_of_a_secret_is_shown() -> None:
    """Neither the repr nor a masked message holds a password, plain or percent-encoded."""
    address = resolved(source(url="${DB}"), DB="postgresql://me:s3%20cret@db/sales?password=o-ther")
    text = f'connection to "db" failed: s3 cret s3%20cret o-ther {"x" * 900}'
    for shown in (repr(address), str(address), address.masked(text)):
        assert not any(secret in shown for secret in ("s3 cret", "s3%20cret", "o-ther"))
    assert len(address.masked(text)) <= 300


@pytest.mark.parametrize(
    "connection",
    [
        "postgres://me:pw@db:5432/sales?sslmode=require",
        json.dumps(
            {"conn_type": "postgres", "host": "db", "login": "me", "password": "pw", "port": 5432, "schema": "sales",
             "extra": {"sslmode": "require"}}
        ),
        json.dumps(
            {"host": "db", "login": "me", "password": "pw", "port": "5432", "schema": "sales",
             "extra": '{"sslmode": "require"}'}
        ),
    ],
)  # fmt: skip
def test_an_airflow_connection_is_read_in_both_forms(connection: str) -> None:
    """AIRFLOW_CONN_<NAME> may be a URL or JSON, as Airflow itself takes it."""
    address = resolved(source(connection="sales_db"), AIRFLOW_CONN_SALES_DB=connection)
    assert address == parse_address("postgresql://me:pw@db:5432/sales?sslmode=require", where="")


@pytest.mark.parametrize(
    ("section", "environ", "told"),
    [
        ({"url": "${DB}"}, {}, "environment variable DB is not set"),
        ({"url": "postgresql://me:${PW}@db/x"}, {"PW": ""}, "environment variable PW is not set"),
        ({"url": "${DB}"}, {"DB": "mysql://me:hidden@db/x"}, "no PostgreSQL URL"),
        ({"url": "${DB}"}, {"DB": "host=db password=hidden"}, "no PostgreSQL URL"),
        ({"url": "${DB}"}, {"DB": "postgresql://me:hidden@db:port/x"}, "cannot be parsed"),
        ({"connection": "other"}, {"AIRFLOW_CONN_SALES": "x"}, "no Airflow connection other"),
        ({"connection": "sales"}, {"AIRFLOW_CONN_SALES": '{"password": "hidden"'}, "not valid JSON"),
        ({"connection": "sales"}, {"AIRFLOW_CONN_SALES": '{"port": "hidden"}'}, "not valid JSON"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_it(
    section: dict[str, str], environ: dict[str, str], told: str
) -> None:
    """The message says which setting or variable to correct, and never quotes a value; nor does what it came from."""
    with pytest.raises(ConfigError, match=told) as raised:
        resolved(source(**section), **environ)
    assert raised.value.where.startswith("data.source.")
    assert "hidden" not in f"{raised.value} {raised.value.__cause__}"
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"url": "postgresql://me:hidden@db/x"}, "url holds a password"),
        ({"url": "postgresql://db/x?password=hidden"}, "url holds a password"),
        ({"url": "mysql://db/x"}, "url is no PostgreSQL URL"),
        ({"url": "${DB}", "connection": "sales"}, "either url or connection"),
        ({}, "either url or connection"),
        ({"url": "${DB}", "query": "SELECT 1"}, "either table or query"),
        ({"url": "${DB}", "connections": 0}, "greater than or equal to 1"),
    ],
)
def test_what_the_pipeline_file_must_not_say_is_refused(section: dict[str, object], told: str) -> None:
    """A password in the file, and settings that contradict each other."""
    with pytest.raises(ValidationError, match=told):
        source(**section)


def test_a_password_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    """The loader quotes what is wrong in the file, but not this."""
    path = tmp_path / "x.yaml"
    path.write_text('name: x\ndata: {source: {type: postgres, table: t, url: "postgresql://me:hidden@db/x"}}\n')
    with pytest.raises(ConfigError) as raised:
        load_pipeline(path)
    assert "hidden" not in str(raised.value)
