"""New data to predictions, delivered; and to those of a challenger, which are not."""

from __future__ import annotations

from dataclasses import replace

from mlcore.components.bulk_inferrer import BulkInferrer, InferenceExampleGen
from mlcore.components.challenger_inferrer import ChallengerInferrer
from mlcore.components.predictions_pusher import PredictionsPusher
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import GraphKind
from mlcore.errors import ConfigError
from mlcore.runtime.graphs.data import EXAMPLE_GEN, looking_back
from mlcore.runtime.graphs.graph import Baseline, Contender, FromNode, Graph, Node, Part, Sources

INFERENCE_EXAMPLE_GEN = Node(name=EXAMPLE_GEN.name, component=InferenceExampleGen, inputs={"source": Sources()})
BULK_INFERRER = Node(
    name="bulk_inferrer",
    component=BulkInferrer,
    inputs={"source": FromNode(EXAMPLE_GEN.name), "model": Baseline(required=True)},
)
PREDICTIONS_PUSHER = Node(
    name="predictions_pusher",
    component=PredictionsPusher,
    inputs={"predictions": FromNode(BULK_INFERRER.name)},
)
CHALLENGER_INFERRER = Node(
    name="challenger_inferrer",
    component=ChallengerInferrer,
    inputs={"source": FromNode(EXAMPLE_GEN.name, part=Part.BESIDE), "model": Contender()},
)


def inference_graph(config: PipelineConfig) -> Graph:
    """New data to predictions: what ``mlcore infer`` and the DAG ``<name>_inference`` do.

    Raises:
        ConfigError: The pipeline has no ``inference`` block.
    """
    asked = config.inference
    if asked is None:
        raise ConfigError(
            f"pipeline {config.name} has no inference block",
            where="inference",
            next_step=f"add one to its file; rows of any file: mlcore predict {config.name} FILE --out FILE",
        )
    examples = EXAMPLE_GEN if asked.source is None else INFERENCE_EXAMPLE_GEN
    nodes = (examples, BULK_INFERRER, *((PREDICTIONS_PUSHER,) if asked.destinations else ()))
    if config.push.rollout is not None:  # last: nobody waits for a challenger, or goes without because of one
        nodes = (*nodes, replace(CHALLENGER_INFERRER, after=(nodes[-1].name,)))
    graph = Graph(nodes=nodes, kind=GraphKind.INFERENCE)
    return looking_back(graph, config) if asked.source is None else graph


def read_as(config: PipelineConfig, kind: GraphKind) -> PipelineConfig:
    """The pipeline as the runs of a kind of graph read its data."""
    return config.inferring if kind is GraphKind.INFERENCE else config
