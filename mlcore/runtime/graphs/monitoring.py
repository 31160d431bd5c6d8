"""New data to a decision to retrain, and to one on the challenger."""

from __future__ import annotations

from dataclasses import replace

from mlcore.components.challenger_evaluator import ChallengerEvaluator
from mlcore.components.challenger_pusher import ChallengerPusher
from mlcore.components.drift_monitor import DriftMonitor
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import GraphKind
from mlcore.errors import ConfigError
from mlcore.runtime.graphs.data import EXAMPLE_GEN, STATISTICS_GEN, looking_back
from mlcore.runtime.graphs.graph import Baseline, Contender, FromNode, Graph, Node, Part, Predicted, Predictor

CHALLENGER_EVALUATOR = Node(
    name="challenger_evaluator",
    component=ChallengerEvaluator,
    inputs={
        "examples": FromNode("example_gen", part=Part.TRIAL),
        "model": Contender(),
        "champion": Contender(champion=True),
        "challenger_predictions": Predicted(part=Part.TRIAL, by=Predictor.CHALLENGER),
        "champion_predictions": Predicted(part=Part.TRIAL, by=Predictor.CHALLENGED),
    },
)
CHALLENGER_PUSHER = Node(
    name="challenger_pusher",
    component=ChallengerPusher,
    inputs={"challenge": FromNode(CHALLENGER_EVALUATOR.name, "challenge")},
)


def monitoring_graph(config: PipelineConfig) -> Graph:
    """New data to a decision to retrain: what ``mlcore monitor`` and the DAG ``<name>_monitor`` do.

    Raises:
        ConfigError: The pipeline has no ``monitor`` block.
    """
    if config.monitor is None:
        raise ConfigError(
            f"pipeline {config.name} is not monitored", where="monitor", next_step="add a monitor block to its file"
        )
    graph = _monitoring_graph()
    if config.push.rollout is not None:
        graph = replace(graph, nodes=(*graph.nodes, CHALLENGER_EVALUATOR, CHALLENGER_PUSHER))
    return looking_back(graph, config)


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
                    "predictions": Predicted(part=Part.LABELLED),
                    "model": Baseline(required=True),
                    "evaluation": Baseline(output="evaluation", required=True),
                },
            ),
        ),
        kind=GraphKind.MONITORING,
    )
