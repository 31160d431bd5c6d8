"""``python -m mlcore.airflow.send_alerts``: look up why runs failed, and tell the people their pipelines name.

A process of its own, started by the listener, so that neither a slow mail server nor a heavy import touches the
scheduler.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from urllib.parse import quote

from mlcore.airflow.naming import kind_of, pipeline_of, run_name
from mlcore.alerts.message import Alert, FailedTask
from mlcore.alerts.outbox import Outbox
from mlcore.alerts.send import send
from mlcore.config.loader import find_pipeline
from mlcore.config.settings import Settings
from mlcore.core.types import ExecutionState, Json
from mlcore.errors import MlcoreError
from mlcore.runtime.logs import ContextFormatter

_LOG = logging.getLogger(__name__)

SILENT = (
    "its process left no reason: it was killed by the kernel (out of memory?), by a person or by a restart, or it "
    "failed before it reached the metadata store; the end of the task's log tells"
)


def main() -> int:
    """Send all that waits."""
    handler = logging.StreamHandler()
    handler.setFormatter(ContextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    settings = Settings.from_environ(os.environ)
    undelivered = Outbox.of(settings).drain(lambda event: handle(event, settings, os.environ))
    return 1 if undelivered else 0


def handle(event: Mapping[str, Json], settings: Settings, environ: Mapping[str, str]) -> None:
    """Send the alert of one failed run.

    Raises:
        MlcoreError: The pipeline's file is broken, or some address was not delivered to.
    """
    pipeline = pipeline_of(str(event["dag_id"]), settings)
    if pipeline is None:
        _LOG.warning("pipeline of DAG %s is gone: nobody to tell", event["dag_id"])
        return
    urls = find_pipeline(settings.pipelines, pipeline).alerts.urls
    if not urls:
        _LOG.warning("run %s of %s failed, and alerts.urls of the pipeline is empty", event["run_id"], pipeline)
        return
    send(urls, compose(event, pipeline, settings), environ=environ)


def compose(event: Mapping[str, Json], pipeline: str, settings: Settings) -> Alert:
    """What failed, why and where to look."""
    dag_id, run_id = str(event["dag_id"]), str(event["run_id"])
    named = event["tasks"] if isinstance(event["tasks"], list) else []
    tasks = {str(task["task_id"]): int(str(task["tries"])) for task in named if isinstance(task, dict)}
    reasons = _reasons(pipeline, run_name(run_id, kind=kind_of(dag_id, pipeline)), settings) if tasks else {}
    return Alert(
        pipeline=dag_id,
        run=run_id,
        where=f"{str(event['base_url']).rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}",
        tasks=tuple(
            FailedTask(name=name, tries=tries, why=reasons.get(name) or reasons.get("") or SILENT)
            for name, tries in tasks.items()
        ),
        why="" if tasks else str(event["message"]),
    )


def _reasons(pipeline: str, run: str, settings: Settings) -> dict[str, str]:
    """Error by node of the run's failed executions; under ``""`` why that cannot be known."""
    from mlcore.runtime.session import open_session

    try:
        with open_session(settings) as session:
            executions = session.metadata.executions(pipeline, run)
    except MlcoreError as error:
        return {"": f"unknown, because the metadata database does not answer either: {error.what}"}
    newest = {str(execution.origin.get("task_id")): execution for execution in executions}
    return {
        node: execution.error
        for node, execution in newest.items()
        if execution.state is ExecutionState.FAILED and execution.error
    }


if __name__ == "__main__":
    sys.exit(main())
