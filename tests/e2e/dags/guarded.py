"""Airflow DAG guarded."""

from datetime import timedelta

from mlcore.airflow.dags import build_dags

dags = build_dags("config/pipelines/guarded.yaml", task_defaults={"retries": 1, "retry_delay": timedelta(seconds=1)})
