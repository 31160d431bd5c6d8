"""What mlcore adds to Airflow. Every Airflow process imports this, tasks too: nothing heavy at the top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from mlcore.airflow import listener
from mlcore.airflow.timetable import PipelineTimetable

PREFIX = "/mlcore"

_View = dict[str, str]


class LazyApp:
    """The pages' ASGI app, built at the first request: only the api-server ever needs it."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if self._app is None:
            from mlcore.airflow.pages import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


def _view(destination: str, href: str, url_route: str, name: str = "Drift reports") -> _View:
    return {"name": name, "destination": destination, "href": PREFIX + href, "url_route": url_route}


class MlcorePlugin(AirflowPlugin):  # type: ignore[misc] # Airflow is untyped to mypy
    """The pipelines' timetable, alerts on failed runs, and the pages of drift reports and challenges."""

    name = "mlcore"
    timetables = [PipelineTimetable]
    listeners = [listener]
    fastapi_apps = [{"app": LazyApp(), "url_prefix": PREFIX, "name": "mlcore"}]
    external_views = [
        _view("nav", "/reports", "drift-reports"),
        _view("dag", "/dags/{DAG_ID}/reports", "drift-reports-of-dag"),
        _view("dag", "/dags/{DAG_ID}/challenge", "challenge-of-dag", "Challenge"),
        _view("dag_run", "/dags/{DAG_ID}/runs/{RUN_ID}/reports", "drift-reports-of-run"),
    ]
