"""New data to a decision to retrain."""

from __future__ import annotations

from mlcore.components.drift_monitor import DriftMonitor
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import GraphKind
from mlcore.errors import ConfigError
from mlcore.runtime.graphs.data import EXAMPLE_GEN, STATISTICS_GEN, looking_back
from mlcore.runtime.graphs.graph import Baseline, FromNode, Graph, Node, Part


def monitoring_graph(config: PipelineConfig) -> Graph:
    """New data to a decision to retrain: what ``mlcore monitor`` and the DAG ``<name>_monitor`` do.

    Raises:
        ConfigError: The pipeline has no ``monitor`` block.
    """
    if config.monitor is None:
        raise ConfigError(
            f"pipeline {config.name} is not monitored", where="monitor", next_step="add a monitor block to its file"
        )
    return looking_back(_monitoring_graph(), config)


def _monitoring_graph() -> Graph:
    return Graph(
        nodes=(
            EXAMPLE_GEN,
            STATISTICS_GEN,
            Node(
                name="drift_monitor",
                component=DriftMonitor,
                inputs={
                    "reference_examples": FromNode("example_gen", part=Part.REFERENCE),
                    "current_examples": FromNode("example_gen", part=Part.CURRENT),
                    "labelled_examples": FromNode("example_gen", part=Part.LABELLED),
                    "reference_statistics": FromNode("statistics_gen", part=Part.REFERENCE),
                    "current_statistics": FromNode("statistics_gen", part=Part.CURRENT),
                    "model": Baseline(required=True),
                    "evaluation": Baseline(output="evaluation", required=True),
                },
            ),
        ),
        kind=GraphKind.MONITORING,
    )
