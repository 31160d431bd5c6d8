"""Airflow DAGs flight_delays and flight_delays_monitor."""

from mlcore.airflow.dags import build_dags

dags = build_dags("config/pipelines/flight_delays.yaml")
