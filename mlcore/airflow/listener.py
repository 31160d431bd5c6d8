"""Airflow's own hooks on the end of runs, the only ones that also fire when the kernel killed the task.

They run inside the scheduler, which must never wait: what failed is written down, and a short-lived process is started
that looks up why and sends the alert. Another mirrors the run, where its pipeline is mirrored.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from mlcore.airflow.naming import ACTION_PREFIX, pipeline_of
from mlcore.alerts.outbox import Outbox
from mlcore.config.loader import find_pipeline
from mlcore.config.settings import Settings
from mlcore.tracking.process import start_mirror

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from mlcore.core.types import Json

_LOG = logging.getLogger(__name__)

_senders: list[subprocess.Popen[bytes]] = []
_mirrors: dict[tuple[str, str], list[subprocess.Popen[bytes]]] = {}
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
    _mirror(dag_run)


@hookimpl  # type: ignore[untyped-decorator] # Airflow is untyped to mypy
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:
    """Have a run of one of our DAGs mirrored."""
    del msg
    _mirror(dag_run)


def _mirror(dag_run: DagRun) -> None:
    """Start processes that mirror the run's pipeline and tell its lineage, where they are to and none is about to look.

    That is also the pipeline that somebody moved an alias of.
    """
    try:
        settings = Settings.from_environ(os.environ)
        pipeline = pipeline_of(dag_run.dag_id, settings)
        if pipeline is None and dag_run.dag_id.startswith(ACTION_PREFIX):
            pipeline = pipeline_of(str((dag_run.conf or {}).get("pipeline", "")), settings)
        if pipeline is None:
            return
        config = find_pipeline(settings.pipelines, pipeline)
        if config.tracking is not None and config.tracking.mlflow is not None:
            _start(pipeline, "mlflow", config.tracking.mlflow.max_wait)
        if config.lineage is not None:
            _start(pipeline, "lineage", config.lineage.max_wait)
    except Exception:
        _LOG.exception("run %s of %s is not mirrored yet", dag_run.run_id, dag_run.dag_id)


def _start(pipeline: str, noun: str, max_wait: timedelta) -> None:
    mirrors = _mirrors.setdefault((pipeline, noun), [])
    mirrors[:] = [mirror for mirror in mirrors if mirror.poll() is None]
    if len(mirrors) < _MAX_SENDERS:
        mirrors.append(start_mirror(pipeline, noun=noun, seconds=max_wait.total_seconds()))


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
