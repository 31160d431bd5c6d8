"""A monitoring run's look at a challenger, without the drift report, which costs most."""

from __future__ import annotations

from dataclasses import replace

from support.project import Project, Silent

from mlcore.config.loader import load_pipeline
from mlcore.core.request import RunRequest
from mlcore.core.window import parse_moment
from mlcore.runtime.graphs import monitoring
from mlcore.runtime.local import run_graph

LEFT_OUT = ("statistics_gen", "drift_monitor")
ROLLOUT = "push: {rollout: {min_rows: 100, at_least: P1D, at_most: P3D%s}, infra:"
FIRST_LOOK = "2024-01-12T07:00Z"
"""One day of rows is labelled that neither model has seen: 10 January."""
NEXT_LOOK = "2024-01-13T07:00Z"
LAST_LOOK = "2024-01-14T07:00Z"


def trying(project: Project, more: str = "") -> None:
    """Models are tried beside the champion from now on."""
    project.replace("push: {infra:", ROLLOUT % more)


def look(project: Project, moment: str, name: str) -> str:
    """What the look of a run came to."""
    config = load_pipeline(project.settings.pipelines / "tiny.yaml")
    graph = monitoring.monitoring_graph(config)
    graph = replace(graph, nodes=tuple(node for node in graph.nodes if node.name not in LEFT_OUT))
    request = RunRequest(pipeline="tiny", run=name, as_of=parse_moment(moment))
    with project.session() as session:
        results = run_graph(session, config, graph, request=request, observer=Silent())
    return results[-1].summary
