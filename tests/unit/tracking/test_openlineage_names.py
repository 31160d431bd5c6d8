"""Data sets by OpenLineage's naming, and ids of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client.naming.dataset import GCS, LocalFileSystem, Postgres
from openlineage.client.uuid import generate_static_uuid

from mlcore.config.sources import CsvSource, PostgresSource
from mlcore.tracking.openlineage.ids import airflow_run_id, static_uuid
from mlcore.tracking.openlineage.names import DatasetName, place_name, source_name

ROOT = Path("/srv/project")


@given(
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)), text=st.text(max_size=50), hours=st.integers(-9, 9)
)
def test_an_id_is_the_one_that_the_client_makes(moment: datetime, text: str, hours: int) -> None:
    """Whatever the moment, its time zone and the text: so an id of Airflow's is known without asking Airflow."""
    moment = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert static_uuid(moment, text) == str(generate_static_uuid(moment, text.encode()))


def test_a_dag_run_has_the_id_that_airflows_provider_gives_it() -> None:
    """Built as the provider builds it: from namespace, DAG and how often it was cleared."""
    moment = datetime(2024, 1, 10, 6, tzinfo=UTC)
    assert airflow_run_id("prod", "tiny", moment, 2) == str(generate_static_uuid(moment, b"prod.tiny.2"))


@pytest.mark.parametrize(
    ("pattern", "namespace", "name"),
    [
        ("data/{YYYY}-{MM}-{DD}.csv", "file", "/srv/project/data"),
        ("data/year={YYYY}/{MM}/*.csv", "file", "/srv/project/data"),
        ("/lake/flights-{YYYY}.csv", "file", "/lake/flights-{YYYY}.csv"),
        ("file:///lake/all.csv", "file", "/lake/all.csv"),
        ("s3://lake/flights/{YYYY}/{MM}.csv", "s3://lake", "flights"),
        ("gs://lake/{YYYY}.csv", "gs://lake", "/"),
        ("https://example.com/v1/{YYYY}.csv", "https://example.com", "v1"),
    ],
)
def test_files_are_named_after_what_does_not_vary(pattern: str, namespace: str, name: str) -> None:
    """One data set for all spans, however their files are called."""
    assert source_name(CsvSource(type="csv", path=pattern), ROOT) == DatasetName(namespace, name)


@pytest.mark.parametrize(
    ("table", "url", "namespace", "name"),
    [
        ("flights", "postgresql://db.example.com/sales", "postgres://db.example.com:5432", "sales.public.flights"),
        ("raw.f", "postgresql+psycopg2://me:${PW}@db:6543/sales?a=b", "postgres://db:6543", "sales.raw.f"),
        ("raw.f", "postgresql://me:${PW}@[::1]:6543/sales", "postgres://[::1]:6543", "sales.raw.f"),
        ("flights", "${WAREHOUSE}", "postgres://${WAREHOUSE}", "public.flights"),
        ("flights", "postgresql://me@${HOST}/${DB}", "postgres://${HOST}:5432", "${DB}.public.flights"),
    ],
)
def test_tables_are_named_after_what_the_file_says(table: str, url: str, namespace: str, name: str) -> None:
    """Server, database, schema and table; neither user nor password, and what a variable stands for is not told."""
    assert source_name(PostgresSource(type="postgres", table=table, url=url), ROOT) == DatasetName(namespace, name)


def test_a_table_behind_airflows_connection_is_named_after_that() -> None:
    """What the connection is, is known where it is used."""
    source = PostgresSource(type="postgres", table="flights", connection="warehouse")
    assert source_name(source, ROOT) == DatasetName("postgres://warehouse", "public.flights")


def test_names_are_those_that_the_client_would_give() -> None:
    """Of a table, of a bucket's objects and of local files."""
    table = source_name(PostgresSource(type="postgres", table="raw.flights", url="postgresql://db:1234/sales"), ROOT)
    theirs = Postgres(host="db", port="1234", database="sales", schema="raw", table="flights")
    assert table == DatasetName(theirs.get_namespace(), theirs.get_name())
    objects = GCS(bucket_name="lake", object_key="a/b")
    assert place_name("gs://lake/a/b") == DatasetName(objects.get_namespace(), objects.get_name())
    local = LocalFileSystem(path="/a/b")
    assert place_name("/a/b") == DatasetName(local.get_namespace(), local.get_name())


def test_two_queries_are_two_data_sets() -> None:
    """A query has no name: it is told apart by its text, of which nothing is shown."""
    queries = ("SELECT * FROM a", "SELECT * FROM b")
    names = [source_name(PostgresSource(type="postgres", query=one, connection="w"), ROOT).name for one in queries]
    assert len(set(names)) == 2
    assert not any("SELECT" in name for name in names)
