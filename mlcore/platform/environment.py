"""The environment that Airflow runs with: one pure function, so that every way of starting Airflow agrees."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mlcore.config.settings import Settings
from mlcore.platform.credentials import ADMIN, Credentials
from mlcore.platform.databases import airflow_url, with_driver
from mlcore.platform.layout import Layout
from mlcore.platform.postgres import MLCORE_DATABASE, EmbeddedPostgres

HOST = "127.0.0.1"
_LISTS = ("NO_PROXY", "no_proxy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """The TCP ports of the platform, all on the loopback interface. PostgreSQL has none: it uses a Unix socket."""

    api: int = 8080


def airflow_environment(settings: Settings, ports: Ports, secrets: Credentials) -> dict[str, str]:
    """Every variable the platform sets for an Airflow process. Reads nothing but its arguments.

    Args:
        settings: Without a ``database_url`` the embedded server's address is given.
        ports: Where the api-server listens.
        secrets: From ``load_credentials``.
    """
    layout = Layout.of(settings.home)
    database = with_driver(settings.database_url or EmbeddedPostgres(layout.home).url(MLCORE_DATABASE))
    base = f"http://{HOST}:{ports.api}"
    airflow = {
        **_behaviour(),
        "API__HOST": HOST,
        "API__PORT": str(ports.api),
        "API__BASE_URL": base,
        "API__SECRET_KEY": secrets.session_secret,
        "API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "CORE__DAGS_FOLDER": str(settings.project / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{base}/execution/",
        "CORE__FERNET_KEY": secrets.fernet_key,
        "CORE__PLUGINS_FOLDER": str(settings.project / "plugins"),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(secrets.password_file),
        "DATABASE__SQL_ALCHEMY_CONN": airflow_url(database),
        "LOGGING__BASE_LOG_FOLDER": str(layout.airflow / "logs"),
    }
    return {
        **{f"AIRFLOW__{name}": value for name, value in airflow.items()},
        "AIRFLOW_HOME": str(layout.airflow),
        "MLCORE_PROJECT": str(settings.project),
        "MLCORE_HOME": str(settings.home),
        "MLCORE_DATABASE_URL": database,
        "MLCORE_ARTIFACTS": settings.artifacts,
        "TMPDIR": str(layout.tmp),
        # Tasks talk to the api-server: never through a proxy.
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "DO_NOT_TRACK": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)),
        # Without it a process that sets its title writes over the marker by which `mlcore down` finds it.
        "SPT_NOENV": "1",
    }


def _behaviour() -> dict[str, str]:
    """What does not depend on the installation."""
    return {
        "API__WORKERS": "1",
        "CORE__AUTH_MANAGER": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "CORE__PARALLELISM": str(min(4, 2 * (os.cpu_count() or 1))),
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }


def over(ambient: Mapping[str, str], platform: Mapping[str, str]) -> dict[str, str]:
    """The platform's variables over those of the caller; hosts that need no proxy are joined."""
    joined = {name: f"{platform[name]},{ambient[name]}" for name in _LISTS if ambient.get(name) and platform.get(name)}
    return {**ambient, **platform, **joined}
