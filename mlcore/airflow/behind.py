"""Telling people that a place which follows the registry does not show yet what a task committed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from urllib.parse import quote

from mlcore.airflow.requests import AirflowRun
from mlcore.config.pipeline import PipelineConfig
from mlcore.errors import MlcoreError

_LOG = logging.getLogger(__name__)


def alert_behind(config: PipelineConfig, run: AirflowRun, behind: Sequence[str]) -> None:
    """Send the pipeline's alert, once a task: the task itself did what it was to do, and does not fail.

    Args:
        config: Whose ``alerts.urls`` are told.
        run: The run of the task.
        behind: The destinations that are not level, each with the reason; nobody is told where there is none.
    """
    if not behind or not config.alerts.urls:
        return
    from airflow.configuration import conf

    from mlcore.alerts.message import Alert
    from mlcore.alerts.send import send

    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    alert = Alert(
        pipeline=config.name,
        run=run.run_id,
        where=f"{base}/dags/{quote(run.dag_id, safe='')}/runs/{quote(run.run_id, safe='')}",
        headline="is ahead of a push destination",
        why="; ".join(behind) + f"\nthe next run tries again, and so does: mlcore models publish {config.name}",
    )
    try:
        send(config.alerts.urls, alert, environ=os.environ)
    except MlcoreError as error:
        _LOG.warning("nobody was told of it: %s", error)
