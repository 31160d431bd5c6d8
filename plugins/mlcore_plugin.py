"""Registers mlcore with Airflow: the pipelines' timetable, alerts on failed runs, the drift report pages."""

from mlcore.airflow.plugin import MlcorePlugin

__all__ = ["MlcorePlugin"]
