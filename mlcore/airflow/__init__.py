"""Pipelines as Airflow DAGs: a thin rendering of the same graphs that ``mlcore run`` walks; no ML logic lives here."""
