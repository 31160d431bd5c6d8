"""Airflow's own hook on failed runs, the only one that also fires when the kernel killed the task.

It runs inside the scheduler, which must never wait: it writes down what failed and starts a short-lived process that
looks up why and sends the alert.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from mlcore.airflow.naming import pipeline_of
from mlcore.alerts.outbox import Outbox
from mlcore.config.settings import Settings

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from mlcore.core.types import Json

_LOG = logging.getLogger(__name__)

_senders: list[subprocess.Popen[bytes]] = []
_MAX_SENDERS = 2
"""One that sends and one that waits for it: the second sees whatever is written before it starts to look."""


@hookimpl  # type: ignore[untyped-decorator] # Airflow is untyped to mypy
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Hand a failed run of one of our DAGs over to a sender."""
    try:
        settings = Settings.from_environ(os.environ)
        if pipeline_of(dag_run.dag_id, settings) is None:
            return
        if Outbox.of(settings).put(_event(dag_run, msg)):
            start_sender()
    except Exception:
        _LOG.exception("no alert for the failed run %s of %s", dag_run.run_id, dag_run.dag_id)


@hookimpl  # type: ignore[untyped-decorator] # Airflow is untyped to mypy
def on_starting(component: Any) -> None:
    """Send what a scheduler that was stopped had left."""
    if getattr(component, "job_type", None) != "SchedulerJob":
        return
    if Outbox.of(Settings.from_environ(os.environ)).waiting():
        start_sender()


def start_sender() -> None:
    """Start a process that sends what waits, unless one is about to look."""
    _senders[:] = [sender for sender in _senders if sender.poll() is None]
    if len(_senders) < _MAX_SENDERS:
        command = [sys.executable, "-m", "mlcore.airflow.send_alerts"]
        _senders.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=Path.cwd()))  # noqa: S603 - ours


def _event(dag_run: DagRun, message: str) -> dict[str, Json]:
    from airflow.configuration import conf

    return {
        "dag_id": dag_run.dag_id,
        "run_id": dag_run.run_id,
        "clear_number": dag_run.clear_number,  # a run that was cleared and failed again is another failure
        "message": message,
        "tasks": _failed_tasks(dag_run),
        "base_url": conf.get("api", "base_url", fallback=""),
    }


def _failed_tasks(dag_run: DagRun) -> list[Json]:
    """The run's failed tasks, by the scheduler's own session: one indexed query, before it commits."""
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return []
    failed = dag_run.get_task_instances(state=TaskInstanceState.FAILED, session=session)
    ordered = sorted(failed, key=lambda instance: (instance.end_date is None, instance.end_date, instance.task_id))
    return [{"task_id": instance.task_id, "tries": instance.try_number} for instance in ordered]
