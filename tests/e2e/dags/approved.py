"""Airflow DAGs approved and approved_monitor."""

from datetime import timedelta

from mlcore.airflow.dags import build_dags

dags = build_dags("config/pipelines/approved.yaml", task_defaults={"retry_delay": timedelta(seconds=1)})
