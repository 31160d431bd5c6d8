"""New data to a push: the graph, and what a pipeline's file changes in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mlcore.components.backtest import Backtest
from mlcore.components.evaluator import Evaluator
from mlcore.components.example_validator import ExampleValidator
from mlcore.components.infra_validator import InfraValidator
from mlcore.components.model_selector import ModelSelector, model_key, predictions_key
from mlcore.components.pusher import Pusher
from mlcore.components.schema_gen import SchemaGen
from mlcore.components.serving import ServingExampleGen, ServingStatisticsGen
from mlcore.components.trainer import Trainer
from mlcore.components.transform import Transform
from mlcore.components.transform_analyzer import TransformAnalyzer
from mlcore.components.tuner import Tuner
from mlcore.config.model import Model
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.tune import Tune
from mlcore.runtime.graphs.data import EXAMPLE_GEN, STATISTICS_GEN, looking_back
from mlcore.runtime.graphs.graph import (
    Approval,
    Baseline,
    Binding,
    FromNode,
    Graph,
    Node,
    Part,
    PreviousVersions,
    Sources,
)

SERVING_EXAMPLE_GEN = Node(
    name="serving_example_gen",
    component=ServingExampleGen,
    inputs={"source": Sources(part=Part.EVALUATION, serving=True)},
)
SERVING_STATISTICS_GEN = Node(
    name="serving_statistics_gen",
    component=ServingStatisticsGen,
    inputs={"source": FromNode("serving_example_gen", part=Part.EVALUATION, optional=True)},
)
SCHEMA_GEN = Node(
    name="schema_gen",
    component=SchemaGen,
    inputs={"statistics": FromNode("statistics_gen", part=Part.TRAIN)},
)
EXAMPLE_VALIDATOR = Node(
    name="example_validator",
    component=ExampleValidator,
    inputs={
        "statistics": FromNode("statistics_gen", part=Part.EVALUATION),
        "reference": FromNode("statistics_gen", part=Part.TRAIN),
        "examples": FromNode("example_gen", part=Part.EVALUATION),
        "train_examples": FromNode("example_gen", part=Part.TRAIN),
        "schema": FromNode("schema_gen", "schema"),
        "statistics_before": PreviousVersions("example_gen", part=Part.EVALUATION),
        "reference_before": PreviousVersions("example_gen", part=Part.TRAIN),
    },
)
VALIDATOR_WITH_SERVING = replace(
    EXAMPLE_VALIDATOR,
    inputs={
        **EXAMPLE_VALIDATOR.inputs,
        "serving": FromNode("serving_statistics_gen", part=Part.EVALUATION, optional=True),
        "serving_examples": FromNode("serving_example_gen", part=Part.EVALUATION, optional=True),
    },
)
TRANSFORM_ANALYZER = Node(
    name="transform_analyzer",
    component=TransformAnalyzer,
    inputs={"source": FromNode("example_gen", part=Part.FITTED)},
    after=("example_validator",),
)
TRANSFORM = Node(
    name="transform",
    component=Transform,
    inputs={
        "states": FromNode("transform_analyzer", part=Part.TRAIN),
        "examples": FromNode("example_gen", part=Part.TRAIN),
    },
)
TRAINER = Node(
    name="trainer",
    component=Trainer,
    inputs={
        "examples": FromNode("example_gen", part=Part.TRAIN),
        "transform_graph": FromNode("transform", "transform_graph"),
    },
)
TUNER = Node(
    name="tuner",
    component=Tuner,
    inputs={
        "examples": FromNode("example_gen", part=Part.TUNING),
        "states": FromNode("transform_analyzer", part=Part.TUNING),
    },
)
BACKTEST = Node(
    name="backtest",
    component=Backtest,
    inputs={
        "examples": FromNode("example_gen", part=Part.TRAIN),
        "states": FromNode("transform_analyzer", part=Part.TRAIN),
    },
)
MODEL_SELECTOR = Node(
    name="model_selector",
    component=ModelSelector,
    inputs={"examples": FromNode("example_gen", part=Part.TRAIN)},
)
EVALUATOR = Node(
    name="evaluator",
    component=Evaluator,
    inputs={
        "examples": FromNode("example_gen", part=Part.EVALUATION),
        "training": FromNode("example_gen", part=Part.TRAIN),
        "model": FromNode("trainer", "model"),
        "baseline": Baseline(),
    },
)
INFRA_VALIDATOR = Node(
    name="infra_validator",
    component=InfraValidator,
    inputs={
        "examples": FromNode("example_gen", part=Part.EVALUATION),
        "model": FromNode("trainer", "model"),
    },
)
PUSHER = Node(
    name="pusher",
    component=Pusher,
    inputs={
        "model": FromNode("trainer", "model"),
        "evaluation": FromNode("evaluator", "evaluation"),
        "evaluation_blessing": FromNode("evaluator", "blessing"),
        "infra_blessing": FromNode("infra_validator", "blessing"),
        "schema": FromNode("schema_gen", "schema"),
        "approval": Approval(),
    },
)


def retraining_graph(config: PipelineConfig) -> Graph:
    """New data to a push: what ``mlcore run`` and the DAG ``<name>`` do."""
    return looking_back(_trying_logged(_retraining_graph(config), config), config)


def _trying_logged(graph: Graph, config: PipelineConfig) -> Graph:
    """The graph with the logged requests of a pipeline that has a serving log asked before a push."""
    if config.data.serving is None:
        return graph
    logged = FromNode(SERVING_EXAMPLE_GEN.name, part=Part.EVALUATION, optional=True)
    nodes = [
        replace(node, inputs={**node.inputs, "serving_examples": logged}) if node.name == INFRA_VALIDATOR.name else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def _retraining_graph(config: PipelineConfig) -> Graph:
    validator: tuple[Node, ...] = (EXAMPLE_VALIDATOR,)
    if config.data.serving is not None:
        validator = (SERVING_EXAMPLE_GEN, SERVING_STATISTICS_GEN, VALIDATOR_WITH_SERVING)
    data: tuple[Node, ...] = (EXAMPLE_GEN, STATISTICS_GEN, SCHEMA_GEN, *validator, TRANSFORM_ANALYZER)
    if not config.models or any(candidate.features is None for candidate in config.models.values()):
        data = (*data, TRANSFORM)
    if config.models:
        return Graph(nodes=(*data, *_of_candidates(config)))
    trainer = _tuned(_started(TRAINER, config.model), config.model.tune)
    return Graph(nodes=(*data, *trainer, EVALUATOR, INFRA_VALIDATOR, PUSHER))


def _started(trainer: Node, model: Model) -> Node:
    if not model.warm_start:
        return trainer
    return replace(trainer, inputs={**trainer.inputs, "champion": Baseline(earlier=True)})


def _tuned(trainer: Node, tune: Tune | None) -> tuple[Node, ...]:
    return (trainer,) if tune is None else (TUNER, _with(trainer, hyper_parameters=TUNER.name))


def _with(node: Node, **nodes: str) -> Node:
    """The node with inputs that are outputs of the same name, of other nodes or of the same under another name."""
    return replace(node, inputs={**node.inputs, **{output: FromNode(name, output) for output, name in nodes.items()}})


def _of_candidates(config: PipelineConfig) -> Iterator[Node]:
    """Each candidate trained and tried side by side, one of them chosen, and that one judged and pushed."""
    read: dict[str, Binding] = {}
    judged: dict[str, Binding] = {"selection": FromNode(MODEL_SELECTOR.name, "selection")}
    for name, candidate in config.models.items():
        trainer, backtest = _started(_named(TRAINER, name), candidate), _named(BACKTEST, name)
        if candidate.features is not None:
            transform = _named(TRANSFORM, name)
            yield transform
            trainer = _with(trainer, transform_graph=transform.name)
        if candidate.tune is not None:
            tuner = _named(TUNER, name)
            yield tuner
            trainer, backtest = (_with(node, hyper_parameters=tuner.name) for node in (trainer, backtest))
        yield from (trainer, backtest)
        read |= {
            model_key(name): FromNode(trainer.name, "model"),
            predictions_key(name): FromNode(backtest.name, "predictions"),
        }
        judged[model_key(name)] = FromNode(MODEL_SELECTOR.name, model_key(name))
    yield replace(MODEL_SELECTOR, inputs={**MODEL_SELECTOR.inputs, **read})
    chosen = {"model": FromNode(MODEL_SELECTOR.name, "model")}
    yield replace(EVALUATOR, inputs={**EVALUATOR.inputs, **chosen, **judged})
    yield replace(INFRA_VALIDATOR, inputs={**INFRA_VALIDATOR.inputs, **chosen})
    yield replace(PUSHER, inputs={**PUSHER.inputs, **chosen})


def _named(node: Node, candidate: str) -> Node:
    return replace(node, name=f"{node.name}_{candidate}", candidate=candidate)
