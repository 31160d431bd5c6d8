"""The two kinds of task: launch one node of a graph, and start a retraining run where the monitor asks for one.

Constructors only store what they are given; everything that is heavy is imported and done in ``execute``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    DagRunTriggerException,
)

from mlcore.airflow.links import page_of
from mlcore.airflow.naming import RETRAIN_PREFIX, run_name
from mlcore.airflow.requests import AirflowRun, resolve_request
from mlcore.airflow.secrecy import task_settings
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import NewExecution
from mlcore.core.window import iso
from mlcore.errors import (
    AnomaliesFound,
    BlessingMissing,
    ConfigError,
    DataError,
    MlcoreError,
    ModelError,
    NoChampion,
    SpanMissing,
    SpansAwaited,
    WindowError,
)
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.inference import read_as
from mlcore.runtime.waiting import next_look

if TYPE_CHECKING:
    from airflow.sdk import Context

    from mlcore.core.request import RunRequest
    from mlcore.runtime.session import Session

_LOG = logging.getLogger(__name__)

INCURABLE = (ConfigError, WindowError, AnomaliesFound, BlessingMissing, DataError, ModelError)
"""Errors that trying again cannot cure: the run fails at once, and the alert goes out now and not after the retries."""
MAY_BE_CURED = (SpanMissing,)
"""Those among them that time may cure: data that is late is waited for, with Airflow's back-off between the tries."""


class ComponentOperator(BaseOperator):  # type: ignore[misc] # Airflow is untyped to mypy
    """Launches one node; returns the execution's id, which is all that goes through XCom."""

    def __init__(self, *, config: PipelineConfig, graph: Graph, node_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.graph = graph
        self.node_name = node_name

    def execute(self, context: Context) -> int:
        """Run the node, or reuse what an equal execution made."""
        from mlcore.runtime.interop.courier import telling
        from mlcore.runtime.launch import launch
        from mlcore.runtime.logs import install_record_factory
        from mlcore.runtime.session import open_session

        install_record_factory()
        upstream = {name: execution_id(context, name) for name in self.graph[self.node_name].upstream}
        settings = task_settings(self.config)
        with (
            airflow_errors(read_as(self.config, self.graph.kind)),
            open_session(settings) as session,
        ):
            request = self._request(session, airflow_run(context))
            _LOG.info("%s of %s as of %s", self.node_name, self.config.name, iso(request.as_of))
            with telling(session, self.config, settings.home):
                result = launch(
                    session,
                    self.config,
                    self.graph,
                    self.node_name,
                    request=request,
                    upstream=upstream,
                    look_at=page_of(airflow_run(context)),
                )
        return result.execution_id

    def _request(self, session: Session, run: AirflowRun) -> RunRequest:
        kind = self.graph.kind
        try:
            return resolve_request(run, pipeline=self.config.name, kind=kind)
        except MlcoreError as error:
            refused = NewExecution(
                component=self.graph[self.node_name].component.__name__,
                pipeline=self.config.name,
                run=run_name(run.run_id, kind=kind),
                fingerprint=None,
                origin={"node": self.node_name, **run.origin},
            )
            with suppress(MlcoreError):  # what matters is the error; the record lets the alert quote it
                session.metadata.fail(session.metadata.begin(refused, {}).id, str(error))
            raise


class RetrainOperator(BaseOperator):  # type: ignore[misc] # Airflow is untyped to mypy
    """Starts exactly one run of the retraining DAG where the drift monitor decided so.

    The run's id follows from the moment alone, so that retries, reruns and two monitors of one moment start one run.
    A backfilled monitor looks at history: it decides nothing.
    """

    def __init__(self, *, retraining_dag_id: str, monitor_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.retraining_dag_id = retraining_dag_id
        self.monitor_task_id = monitor_task_id

    def execute(self, context: Context) -> None:
        """Read the decision; skip where there is nothing to do, else have Airflow create the run."""
        from mlcore.runtime.reports import decision_of
        from mlcore.runtime.session import open_session

        with airflow_errors(), open_session(task_settings()) as session:
            report = decision_of(session, execution_id(context, self.monitor_task_id))
        reasons = "; ".join(report.reasons) or "no reason recorded"
        if not report.retrain:
            raise AirflowSkipException(f"no retraining: {reasons}")
        if airflow_run(context).run_type == "backfill":
            raise AirflowSkipException(f"a backfilled monitor starts no retraining; it would have: {reasons}")
        _LOG.info("retraining %s as of %s: %s", self.retraining_dag_id, iso(report.as_of), reasons)
        raise DagRunTriggerException(
            trigger_dag_id=self.retraining_dag_id,
            dag_run_id=f"{RETRAIN_PREFIX}{iso(report.as_of)}",
            conf={"as_of": iso(report.as_of), "reason": reasons[:500], "report": report.artifact_id},
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=["success"],
            failed_states=["failed"],
            poke_interval=60,
            deferrable=False,
        )


def airflow_run(context: Context) -> AirflowRun:
    """What the task's context says about its run."""
    dag_run, instance = context["dag_run"], context["ti"]
    return AirflowRun(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
        data_interval_end=dag_run.data_interval_end,
        params=dict(context["params"]),
        task_id=instance.task_id,
        try_number=instance.try_number,
        moment=dag_run.logical_date or dag_run.run_after,
        clear_number=getattr(dag_run, "clear_number", 0) or 0,
    )


def execution_id(context: Context, task_id: str) -> int:
    value = context["ti"].xcom_pull(task_ids=task_id)
    if not isinstance(value, int):
        raise AirflowFailException(f"task {task_id} left no execution id: clear it, and with it what follows")
    return value


@contextmanager
def airflow_errors(config: PipelineConfig | None = None) -> Iterator[None]:
    """Our errors as Airflow's verdicts: skip, wait, fail for good, or (all others) fail and try again.

    A task that waits for late spans holds no worker: Airflow starts it again, and the try is not used up.
    """
    try:
        yield
    except SpansAwaited as late:
        if config is None:
            raise
        again = next_look(late.until, datetime.now(UTC), config.data.complete.wait)
        _LOG.warning("waiting until %s, looking again at %s: %s", iso(late.until), iso(again), late)
        raise AirflowRescheduleException(again) from late
    except NoChampion as error:
        raise AirflowSkipException(str(error)) from error
    except MAY_BE_CURED:
        raise
    except INCURABLE as error:
        raise AirflowFailException(str(error)) from error
