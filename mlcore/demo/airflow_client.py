"""The few calls of Airflow's REST API that the demonstration makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from mlcore.errors import PlatformError

_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DagRun:
    """One run of a DAG as Airflow sees it."""

    run_id: str
    state: str

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed")


class AirflowClient:
    """Airflow at an address, logged in.

    Args:
        url: Of the UI.
        user: Who logs in.
        password: Kept in memory only.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=_SECONDS, trust_env=False)
        token = self._call("POST", "/auth/token", json={"username": user, "password": password})["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._http.close()

    def is_parsed(self, dag_id: str) -> bool:
        """Whether the DAG processor has seen the DAG."""
        return self._http.get(f"/api/v2/dags/{dag_id}").status_code == httpx.codes.OK

    def unpause(self, dag_id: str) -> None:
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def runs(self, dag_id: str) -> dict[str, DagRun]:
        """The newest runs by id."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params={"limit": 100, "order_by": "-id"})
        return {run["dag_run_id"]: DagRun(run_id=run["dag_run_id"], state=run["state"]) for run in found["dag_runs"]}

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, str]) -> None:
        """Start a run of that id; nothing happens when it is there already."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        response = self._http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        if response.status_code != httpx.codes.CONFLICT:
            self._checked(response)

    def backfill(self, dag_id: str, from_date: str, to_date: str, max_active_runs: int) -> None:
        """Queue a run for every interval between the dates that has none."""
        body = {
            "dag_id": dag_id,
            "from_date": from_date,
            "to_date": to_date,
            "max_active_runs": max_active_runs,
            "reprocess_behavior": "failed",
            "run_backwards": False,
        }
        self._call("POST", "/api/v2/backfills", json=body)

    def tasks_done(self, dag_id: str, run_id: str) -> tuple[int, int]:
        """How many of a run's tasks have ended, and of how many."""
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return sum(task["state"] in ("success", "failed", "skipped") for task in found), len(found)

    def _call(self, method: str, path: str, **rest: Any) -> Any:
        try:
            return self._checked(self._http.request(method, path, **rest))
        except httpx.HTTPError as error:
            raise PlatformError(
                f"Airflow does not answer: {error}", where=f"{method} {path}", next_step="mlcore status says more"
            ) from error

    def _checked(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise PlatformError(
                f"Airflow refused with {response.status_code}: {response.text[:300]}",
                where=f"{response.request.method} {response.request.url.path}",
                next_step="mlcore logs api-server says more",
            )
        return response.json()
