from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcore.config.settings import Settings
from mlcore.platform.credentials import load_credentials
from mlcore.platform.environment import Ports, airflow_environment, over
from mlcore.platform.layout import Layout


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    found = Settings.from_environ({"MLCORE_PROJECT": str(tmp_path / "project"), "MLCORE_HOME": str(tmp_path / "home")})
    Layout.of(found.home).create()
    yield found
    Layout.of(found.home).remove_transient()


def environment(settings: Settings, port: int = 8080) -> dict[str, str]:
    return airflow_environment(settings, Ports(api=port), load_credentials(Layout.of(settings.home)))


def test_environment_binds_to_the_loopback_interface_only(settings: Settings) -> None:
    """Neither the UI nor the execution API is reachable from another machine, and both know the port."""
    found = environment(settings, 8123)
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:8123"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"


def test_environment_asks_for_a_login(settings: Settings) -> None:
    """Nobody is let in without the generated password."""
    found = environment(settings)
    assert found["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] == "False"
    assert str(settings.home) in found["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]


def test_environment_is_a_function_of_its_arguments(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's own variables do not leak into it."""
    before = environment(settings)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("MLCORE_DATABASE_URL", "postgresql://elsewhere/x")
    assert environment(settings) == before


def test_environment_puts_both_databases_on_a_given_server(settings: Settings) -> None:
    """A given address replaces the embedded server for Airflow too, with the driver named."""
    given = Settings(
        project=settings.project, home=settings.home, artifacts="a", database_url="postgresql://me:pw@db:5433/team"
    )
    found = environment(given)
    assert found["MLCORE_DATABASE_URL"] == "postgresql+psycopg2://me:pw@db:5433/team"
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://me:pw@db:5433/team_airflow"


def test_over_joins_the_hosts_that_need_no_proxy() -> None:
    """The platform's variables win, and what the caller exempts from its proxy stays exempt."""
    merged = over({"NO_PROXY": "example.org", "A": "1", "B": "1"}, {"NO_PROXY": "127.0.0.1", "A": "2"})
    assert merged == {"NO_PROXY": "127.0.0.1,example.org", "A": "2", "B": "1"}


def test_credentials_are_made_once_and_are_private(settings: Settings) -> None:
    """A second start signs, encrypts and logs in with the same secrets, which only their owner may read."""
    layout = Layout.of(settings.home)
    first = load_credentials(layout)
    assert load_credentials(layout) == first
    assert {path.stat().st_mode & 0o777 for path in layout.secrets.iterdir()} == {0o600}
    for secret in (first.jwt_secret, first.fernet_key, first.session_secret, first.admin_password):
        assert len(secret) >= 12
        assert secret not in repr(first)
