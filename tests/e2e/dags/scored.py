"""Airflow DAGs scored, scored_monitor and scored_inference."""

from datetime import timedelta

from mlcore.airflow.dags import build_dags

dags = build_dags("config/pipelines/scored.yaml", task_defaults={"retry_delay": timedelta(seconds=1)})
