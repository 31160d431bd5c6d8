"""One pipeline file to its DAGs.

    from mlcore.airflow.dags import build_dags

    dags = build_dags("config/pipelines/flight_delays.yaml")

Airflow's dag processor runs this every few seconds: nothing heavy is imported, nothing is read but the YAML, and the
DAGs depend on nothing that varies between two readings.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator

from mlcore.airflow.docs import inference_doc, monitor_doc, retraining_doc
from mlcore.airflow.naming import dag_name
from mlcore.airflow.operators import ComponentOperator, RetrainOperator
from mlcore.airflow.params import moment_params, retraining_params
from mlcore.airflow.timetable import PipelineTimetable
from mlcore.components.drift_monitor import DriftMonitor
from mlcore.components.pusher import Pusher
from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.settings import Settings
from mlcore.core.types import GraphKind
from mlcore.runtime.graphs.graph import Graph, Node
from mlcore.runtime.graphs.inference import inference_graph
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph

TAG = "mlcore"
RETRAIN_TASK = "retrain"
APPROVAL_TASK = "approval"

_TASK_DEFAULTS: Mapping[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
}


def build_dags(path: str | Path, *, task_defaults: Mapping[str, Any] | None = None) -> dict[str, DAG]:
    """The DAGs ``<name>`` and, where its file has the blocks, ``<name>_monitor`` and ``<name>_inference``.

    Called at the top level of a DAG file it also registers them with Airflow.

    Args:
        path: The pipeline file; a relative one starts at the project folder (``MLCORE_PROJECT``).
        task_defaults: Airflow task arguments (pool, queue, retries, ...) in place of the defaults.

    Raises:
        ConfigError: The file is not a valid pipeline; Airflow shows it as this DAG file's import error.
    """
    config = load_pipeline(Settings.from_environ(os.environ).project / path)
    defaults = {**_TASK_DEFAULTS, "owner": config.owner or "mlcore", **(task_defaults or {})}
    dags = [_retraining_dag(config, defaults)]
    if config.monitor is not None:
        dags.append(_monitor_dag(config, config.monitor.schedule, defaults))
    if config.inference is not None:
        dags.append(_inference_dag(config, config.inference.schedule, defaults))
    return {dag.dag_id: dag for dag in dags}


def _retraining_dag(config: PipelineConfig, defaults: Mapping[str, Any]) -> DAG:
    with _dag(
        config,
        GraphKind.RETRAINING,
        schedule=config.schedule,
        description=config.description,
        doc_md=retraining_doc(config),
        params=retraining_params(config),
        default_args=dict(defaults),
    ) as dag:
        _tasks(config, retraining_graph(config))
    return dag


def _monitor_dag(config: PipelineConfig, schedule: str, defaults: Mapping[str, Any]) -> DAG:
    graph = monitoring_graph(config)
    with _dag(
        config,
        GraphKind.MONITORING,
        schedule=schedule,
        description=f"Drift and decay of {config.name}",
        doc_md=monitor_doc(config),
        params=moment_params(),
        default_args=dict(defaults),
    ) as dag:
        tasks = _tasks(config, graph)
        decided = next(node.name for node in graph.nodes if issubclass(node.component, DriftMonitor))
        retrain = RetrainOperator(
            task_id=RETRAIN_TASK, retraining_dag_id=config.name, monitor_task_id=decided, doc_md=RetrainOperator.__doc__
        )
        tasks[decided].set_downstream(retrain)
    return dag


def _inference_dag(config: PipelineConfig, schedule: str, defaults: Mapping[str, Any]) -> DAG:
    with _dag(
        config,
        GraphKind.INFERENCE,
        schedule=schedule,
        description=f"Predictions of {config.name}",
        doc_md=inference_doc(config),
        params=moment_params(),
        default_args=dict(defaults),
    ) as dag:
        _tasks(config, inference_graph(config))
    return dag


def _dag(config: PipelineConfig, kind: GraphKind, *, schedule: str, **rest: Any) -> DAG:
    return DAG(
        dag_name(config.name, kind),
        schedule=PipelineTimetable(schedule, until=config.end_date),
        start_date=datetime.combine(config.start_date, time.min, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=[TAG],
        **rest,
    )


def _tasks(config: PipelineConfig, graph: Graph) -> dict[str, ComponentOperator]:
    tasks: dict[str, ComponentOperator] = {}
    for node in graph.nodes:
        task = ComponentOperator(
            task_id=node.name, config=config, graph=graph, node_name=node.name, doc_md=_component_doc(node)
        )
        task.set_upstream([tasks[name] for name in node.upstream])
        tasks[node.name] = task
        if config.push.approval and config.push.rollout is None and issubclass(node.component, Pusher):
            asked = _approval(config, node)
            asked.set_upstream([tasks[name] for name in node.upstream])
            asked.set_downstream(task)
    return tasks


def _approval(config: PipelineConfig, pusher: Node) -> BaseOperator:
    """The task in which a person answers, after all that the Pusher reads was made; called within the DAG."""
    from mlcore.airflow.approval import PushApproval

    return PushApproval(task_id=APPROVAL_TASK, config=config, pusher=pusher, doc_md=PushApproval.__doc__)


def _component_doc(node: Node) -> str:
    return f"**{node.component.__name__}**: {inspect.getdoc(node.component) or ''}"
