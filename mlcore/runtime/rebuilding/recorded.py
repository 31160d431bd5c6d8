"""A component as it ran: with the parameters that were recorded, whatever the pipeline file says now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlcore.components.base import Component, SpanComponent
from mlcore.components.example_gen import ExampleGen
from mlcore.components.history_gen import HistoryGen
from mlcore.components.transform import Transform
from mlcore.config.data import Data, TimeSplit
from mlcore.config.model import Feature, Model
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Json, SplitName
from mlcore.core.window import parse_moment
from mlcore.errors import ConfigError, quoted
from mlcore.runtime.graphs.data import HISTORY_GEN
from mlcore.runtime.graphs.graph import FromNode, Graph, Node, PreviousVersions, Sources
from mlcore.runtime.graphs.retraining import BACKTEST, MODEL_SELECTOR, TUNER
from mlcore.runtime.release.provenance import Made

_OPTIONAL = (TUNER, HISTORY_GEN, BACKTEST, MODEL_SELECTOR)
"""Nodes that a pipeline's graph may have lost since."""
_NOT_TOLD = ("code", "libraries", "candidate")
"""Parameters that say what ran and for which model, and not what it was told to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A component to be run once more.

    Attributes:
        node: Its place in the graph.
        changed: What the pipeline file says otherwise now, in words; it was not followed.
        unlike: Parameters that could not be restored: what was recorded, and what it will run with.
    """

    node: Node
    config: PipelineConfig
    component: Component | SpanComponent
    changed: tuple[str, ...]
    unlike: tuple[str, ...]

    def split(self, key: str) -> SplitName | None:
        """Which of an input's rows it takes; as the launcher resolved it."""
        binding = self.node.inputs.get(key)
        by_time = isinstance(self.config.data.split, TimeSplit)
        if by_time or not isinstance(binding, Sources | FromNode | PreviousVersions):
            return None
        return binding.part.rows


def restore(config: PipelineConfig, graph: Graph, one: Made, lineage: Sequence[Made]) -> Restored:
    """The component of an execution, configured as it was.

    Args:
        config: The pipeline as its file says now.
        graph: Of that.
        one: The execution.
        lineage: All that it rests on: what it did not record itself was recorded there.

    Raises:
        ConfigError: There is no such component any more, or it no longer accepts what was recorded.
    """
    node = _node(graph, one)
    alone = config if node.candidate is None else config.of_candidate(node.candidate)
    now, recorded = _present(node, alone, graph, one), one.execution.parameters
    then = _configured(alone, recorded, lineage) if now is None or _differences(recorded, now) else alone
    component = _component(node, then, one)
    return Restored(
        node=node,
        config=then,
        component=component,
        changed=(f"there is no {one.node} any more",) if now is None else _differences(component.parameters, now),
        unlike=_differences(recorded, {key: component.parameters.get(key) for key in recorded}),
    )


def _node(graph: Graph, one: Made) -> Node:
    for node in graph.nodes:
        if node.name == one.node:
            return node
    for node in (*graph.nodes, *_OPTIONAL):
        if node.component.__name__ == one.execution.component:
            return node
    raise ConfigError(
        f"the pipeline has no component {quoted(one.execution.component)} any more",
        where=f"execution {one.execution.id}",
        next_step="check out the code and the pipeline file that the model was made with",
    )


def _present(node: Node, config: PipelineConfig, graph: Graph, one: Made) -> Mapping[str, Json] | None:
    """What the component would be told now; none where the pipeline does without it."""
    if all(each.component is not node.component for each in graph.nodes):
        return None
    return _component(node, config, one).parameters


def _component(node: Node, config: PipelineConfig, one: Made) -> Component | SpanComponent:
    if issubclass(node.component, SpanComponent):
        return node.component(config)
    execution = one.execution
    as_of = str(execution.origin.get("as_of") or execution.started_at.isoformat())
    request = RunRequest(pipeline=config.name, run=execution.run, as_of=parse_moment(as_of))
    component = node.component(config, request)
    component.candidate = node.candidate
    without = execution.parameters.get("without")
    component.without = tuple(map(str, without)) if isinstance(without, list) else ()
    return component


def _configured(config: PipelineConfig, recorded: Mapping[str, Json], lineage: Sequence[Made]) -> PipelineConfig:
    """The pipeline with the sections that an execution, or one that it rests on, recorded."""
    update: dict[str, Any] = {}
    try:
        data = _of(ExampleGen.__name__, lineage)
        if data is not None:
            update["data"] = _data(config.data, data, _of(HistoryGen.__name__, lineage) or {})
        own = recorded if "features" in recorded else _of(Transform.__name__, lineage) or {}
        features = own.get("features")
        if isinstance(features, dict):
            order = own.get("order", [*config.features])
            update["features"] = {name: _feature(config, name, features[name]) for name in _ordered(features, order)}
        model = recorded.get("model")
        if isinstance(model, dict):
            update |= {"single_model": _model(model, recorded.get("search_order")), "models": {}}
    except ValueError as error:
        raise ConfigError(
            f"what was recorded is no valid configuration any more: {quoted(str(error), limit=300)}",
            next_step="check out the code that the model was made with",
        ) from error
    return config.model_copy(update=update)


def _of(component: str, lineage: Sequence[Made]) -> Mapping[str, Json] | None:
    return next((one.execution.parameters for one in lineage if one.execution.component == component), None)


def _ordered(keys: Iterable[str], order: Json) -> list[str]:
    """Keys as they stood in the pipeline's file: what is stored as JSON has lost their order."""
    places = {name: place for place, name in enumerate(order)} if isinstance(order, list) else {}
    return sorted(keys, key=lambda name: (places.get(name, len(places)), name))


def _data(now: Data, recorded: Mapping[str, Json], past: Mapping[str, Json]) -> Data:
    """Where the data lies, when it is used and what it is compared with is as it is now."""
    given = {key: value for key, value in recorded.items() if key != "order"}
    document: dict[str, Any] = {**now.model_dump(mode="json"), **given}
    columns = document["columns"]
    document["columns"] = {name: columns[name] for name in _ordered(columns, recorded.get("order", [*now.columns]))}
    history: Any = past.get("history", {})
    document["history"] = {name: history[name] for name in _ordered(history, past.get("order"))}
    source = recorded.get("source")
    if isinstance(source, Mapping) and source.get("type") == now.source.type:
        document["source"] = {**now.source.model_dump(mode="json"), **source}
    return Data.model_validate(document)


def _feature(config: PipelineConfig, name: str, recorded: Any) -> Feature:
    now = config.features.get(name)
    return Feature.model_validate({**recorded, "doc": now.doc if now else "", "owner": now.owner if now else ""})


def _model(recorded: Mapping[str, Any], search_order: Json) -> Model:
    tune = recorded.get("tune")
    if not tune:
        return Model.model_validate(recorded)
    search = {name: tune["search"][name] for name in _ordered(tune["search"], search_order)}
    return Model.model_validate({**recorded, "tune": {**tune, "search": search}})


def _differences(was: Mapping[str, Json], now: Mapping[str, Json]) -> tuple[str, ...]:
    """What a component was told otherwise, down to the innermost key; what says which code ran is left out."""
    told = {key: (was.get(key), now.get(key)) for key in was.keys() | now.keys() if key not in _NOT_TOLD}
    return tuple(words for key in sorted(told) for words in _inner(key, *told[key]))


def _inner(key: str, was: Json, now: Json) -> Iterator[str]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for inner in sorted(was.keys() | now.keys()):
            yield from _inner(f"{key}.{inner}", was.get(inner), now.get(inner))
    elif was != now:
        yield f"{key} was {quoted(was, 60)}, now {quoted(now, 60)}"
