"""The graphs of a pipeline: which component reads what, for retraining and for monitoring.

The local runner and Airflow walk the same graphs. Building one imports no heavy library.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from mlcore.components.backtest import Backtest
from mlcore.components.base import SPANS, Component, SpanComponent
from mlcore.components.drift_monitor import DriftMonitor
from mlcore.components.evaluator import Evaluator
from mlcore.components.example_gen import ExampleGen
from mlcore.components.example_validator import ExampleValidator
from mlcore.components.history_gen import HistoryGen
from mlcore.components.infra_validator import InfraValidator
from mlcore.components.model_selector import ModelSelector, model_key, predictions_key
from mlcore.components.pusher import Pusher
from mlcore.components.schema_gen import SchemaGen
from mlcore.components.serving import ServingExampleGen, ServingStatisticsGen
from mlcore.components.statistics_gen import StatisticsGen
from mlcore.components.trainer import Trainer
from mlcore.components.transform import Transform
from mlcore.components.transform_analyzer import TransformAnalyzer
from mlcore.components.tuner import Tuner
from mlcore.config.model import Model
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.tune import Tune
from mlcore.core.types import SplitName
from mlcore.errors import ConfigError, quoted


class Part(StrEnum):
    """Which spans of a run's window an input takes; ``PAST``: all, and those that ``data.history`` looks back on."""

    ALL = "all"
    PAST = "past"
    TRAIN = "train"
    EVALUATION = "evaluation"
    REFERENCE = "reference"
    CURRENT = "current"
    LABELLED = "labelled"
    TUNING = "tuning"
    FITTED = "fitted"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of a window it stands for; none for all there are."""
        match self:
            case Part.ALL | Part.PAST:
                return ()
            case Part.FITTED:
                return (Part.TRAIN, Part.TUNING)
            case _:
                return (self,)

    @property
    def rows(self) -> SplitName | None:
        """Where time does not split rows: which of a span's rows an input takes, ``None`` for all."""
        match self:
            case Part.ALL | Part.PAST:
                return None
            case Part.EVALUATION | Part.LABELLED:
                return SplitName.EVALUATION
            case _:
                return SplitName.TRAIN


@dataclass(frozen=True, slots=True)
class Sources:
    """The source files of a part of the window; of the ``serving`` log those that are there, be it none."""

    part: Part = Part.ALL
    serving: bool = False


@dataclass(frozen=True, slots=True)
class FromNode:
    """An output of another node; of a span component's, the spans of one part of the window.

    Attributes:
        optional: Whether spans may be missing, all of them even: of the serving log, which starts when serving does.
    """

    node: str
    output: str = SPANS
    part: Part = Part.ALL
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PreviousVersions:
    """The statistics of spans that were corrected, of the version before the one that ``node`` read in this run."""

    node: str
    part: Part = Part.ALL


@dataclass(frozen=True, slots=True)
class Baseline:
    """The model of the champion of the run's time; nothing where there was none, unless ``required``.

    Attributes:
        earlier: Only one whose window ended before this run's: what a run starts from is never what it made itself.
    """

    output: str = "model"
    required: bool = False
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person said of the run's model; nothing while nobody has."""


Binding = Sources | FromNode | PreviousVersions | Baseline | Approval


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A component's place in a graph.

    Attributes:
        after: Nodes that may stop the run, and must have passed, though nothing of theirs is read.
        candidate: Of several models of the pipeline, the one it works for.
    """

    name: str
    component: type[Component] | type[SpanComponent]
    inputs: Mapping[str, Binding]
    after: tuple[str, ...] = ()
    candidate: str | None = None

    @property
    def upstream(self) -> tuple[str, ...]:
        """The nodes that must have run before this one."""
        read = (binding.node for binding in self.inputs.values() if isinstance(binding, FromNode | PreviousVersions))
        return tuple(dict.fromkeys((*read, *self.after)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Nodes in an order in which each comes after all it reads from.

    Attributes:
        monitoring: Whether it ends in a decision to retrain instead of a push; its windows are another kind.
    """

    nodes: tuple[Node, ...]
    monitoring: bool = False

    def __getitem__(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise ConfigError(f"there is no node {quoted(name)}", next_step=f"choose one of {known}")


EXAMPLE_GEN = Node(name="example_gen", component=ExampleGen, inputs={"source": Sources()})
HISTORY_GEN = Node(
    name="history_gen",
    component=HistoryGen,
    inputs={"source": FromNode("example_gen"), "past": FromNode("example_gen", part=Part.PAST, optional=True)},
)
STATISTICS_GEN = Node(name="statistics_gen", component=StatisticsGen, inputs={"source": FromNode("example_gen")})
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
    return _looking_back(_trying_logged(_retraining_graph(config), config), config)


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


def _looking_back(graph: Graph, config: PipelineConfig) -> Graph:
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


def monitoring_graph(config: PipelineConfig) -> Graph:
    """New data to a decision to retrain: what ``mlcore monitor`` and the DAG ``<name>_monitor`` do.

    Raises:
        ConfigError: The pipeline has no ``monitor`` block.
    """
    if config.monitor is None:
        raise ConfigError(
            f"pipeline {config.name} is not monitored", where="monitor", next_step="add a monitor block to its file"
        )
    return _looking_back(_monitoring_graph(), config)


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
        monitoring=True,
    )
