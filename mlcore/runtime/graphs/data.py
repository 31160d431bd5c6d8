"""The nodes that every graph starts with: what the source holds, span by span."""

from __future__ import annotations

from dataclasses import replace

from mlcore.components.example_gen import ExampleGen
from mlcore.components.history_gen import HistoryGen
from mlcore.components.statistics_gen import StatisticsGen
from mlcore.config.pipeline import PipelineConfig
from mlcore.runtime.graphs.graph import Binding, FromNode, Graph, Node, Part, Sources

EXAMPLE_GEN = Node(name="example_gen", component=ExampleGen, inputs={"source": Sources()})
HISTORY_GEN = Node(
    name="history_gen",
    component=HistoryGen,
    inputs={"source": FromNode("example_gen"), "past": FromNode("example_gen", part=Part.PAST, optional=True)},
)
STATISTICS_GEN = Node(name="statistics_gen", component=StatisticsGen, inputs={"source": FromNode("example_gen")})


def looking_back(graph: Graph, config: PipelineConfig) -> Graph:
    """The graph with the columns of ``data.history`` in all that reads examples, where the pipeline has any."""
    if not config.data.history:
        return graph
    examples = replace(EXAMPLE_GEN, inputs={"source": Sources(part=Part.PAST)})
    others = [node for node in graph.nodes if node.name != EXAMPLE_GEN.name]
    return replace(graph, nodes=(examples, HISTORY_GEN, *map(_reading_history, others)))


def _reading_history(node: Node) -> Node:
    def instead(binding: Binding) -> Binding:
        if isinstance(binding, FromNode) and binding.node == EXAMPLE_GEN.name:
            return replace(binding, node=HISTORY_GEN.name)
        return binding

    return replace(node, inputs={key: instead(binding) for key, binding in node.inputs.items()})
