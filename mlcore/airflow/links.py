"""Where people see a run in Airflow's UI."""

from __future__ import annotations

from urllib.parse import quote

from mlcore.airflow.requests import AirflowRun


def page_of(run: AirflowRun) -> str:
    """The address of the page of a run."""
    from airflow.configuration import conf

    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    return f"{base}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}"
