"""The local runner: a whole graph in one process, through the same launcher as Airflow's tasks."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.inference import read_as
from mlcore.runtime.launch import LaunchResult, launch
from mlcore.runtime.session import Session
from mlcore.runtime.waiting import until_there


class Observer(Protocol):
    """Told what the runner is at."""

    def started(self, node: str) -> None: ...

    def finished(self, result: LaunchResult) -> None: ...


def run_graph(
    session: Session, config: PipelineConfig, graph: Graph, *, request: RunRequest, observer: Observer
) -> tuple[LaunchResult, ...]:
    """Run every node in order; the first that raises ends the run. Late spans are waited for as the pipeline says.

    Raises:
        MlcoreError: What the node raised.
    """
    results: dict[str, LaunchResult] = {}
    for node in graph.nodes:
        observer.started(node.name)
        upstream = {name: results[name].execution_id for name in node.upstream}
        result = until_there(
            partial(launch, session, config, graph, node.name, request=request, upstream=upstream),
            wait=read_as(config, graph.kind).data.complete.wait,
        )
        results[node.name] = result
        observer.finished(result)
    return tuple(results.values())
