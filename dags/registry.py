"""Airflow DAGs models_promote, models_rollback, models_pin and the like, each with a form."""

from mlcore.airflow.actions import build_registry_dags

dags = build_registry_dags()
