from __future__ import annotations

import pytest

from mlcore.errors import ConfigError, MetadataUnavailable
from mlcore.platform.databases import airflow_url, create_databases, database_of, with_driver


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
def test_with_driver_names_psycopg2(scheme: str) -> None:
    """However the address is written, SQLAlchemy gets the driver that is installed."""
    assert with_driver(f"{scheme}://u:p@h:1/d?x=y") == "postgresql+psycopg2://u:p@h:1/d?x=y"


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite:////tmp/x", "h:5432", ""])
def test_with_driver_refuses_other_databases_without_quoting_the_address(url: str) -> None:
    """An address may hold a password: the message shows its scheme at most."""
    with pytest.raises(ConfigError, match="must start with postgresql://") as caught:
        with_driver(url)
    assert "--database-url" in caught.value.where


def test_airflow_url_is_another_database_on_the_same_server() -> None:
    """The name of Airflow's database follows from mlcore's, also with a socket's folder in the query."""
    assert airflow_url("postgresql+psycopg2://m@/mlcore?host=/a/b") == "postgresql+psycopg2://m@/airflow?host=/a/b"
    assert database_of(airflow_url("postgresql+psycopg2://h/x")) == "x_airflow"


def test_create_databases_tells_that_the_server_is_unreachable_and_hides_the_password() -> None:
    """A wrong address is told with the address, without its password."""
    with pytest.raises(MetadataUnavailable, match="cannot be reached") as caught:
        create_databases("postgresql://me:hidden@127.0.0.1:1/x", ["x"])
    assert "127.0.0.1:1" in caught.value.where
    assert "hidden" not in str(caught.value)
