"""What was recorded of a run is enough to configure its components again, whatever the pipeline's file says by now."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlcore.components.base import SpanComponent
from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Execution, ExecutionState
from mlcore.errors import ConfigError, MetadataError
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.rebuilding.recorded import restore
from mlcore.runtime.release.provenance import Made, _levels

ROOT = Path(__file__).parents[3] / "config"
PIPELINES = sorted([*(ROOT / "examples").glob("*.yaml"), *(ROOT / "pipelines").glob("*.yaml")])
NOW = datetime(2024, 3, 1, tzinfo=UTC)
OF_A_MODEL = ("example_gen", "history_gen", "transform_analyzer", "transform", "tuner", "trainer")


def recorded(config: PipelineConfig, graph: Graph) -> list[Made]:
    """The executions of a model, as the database gives them back: with the order of keys lost."""
    made = []
    for node in graph.nodes:
        if node.name not in OF_A_MODEL:
            continue
        if issubclass(node.component, SpanComponent):
            parameters = node.component(config).parameters
        else:
            request = RunRequest(pipeline=config.name, run="r", as_of=NOW)
            component = node.component(config, request)
            component.without = ("2024-01-03",)
            parameters = component.parameters
        execution = Execution(
            id=len(made) + 1,
            component=node.component.__name__,
            pipeline=config.name,
            run="r",
            fingerprint=None,
            state=ExecutionState.COMPLETE,
            started_at=NOW,
            parameters=json.loads(json.dumps(dict(parameters), sort_keys=True)),
            origin={"node": node.name, "as_of": "2024-03-01T00:00:00Z"},
        )
        made.append(Made(execution=execution, inputs={}, outputs={}, level=1))
    return made


def edited(config: PipelineConfig) -> PipelineConfig:
    """The pipeline as somebody changed it since: other columns' and features' order, another model."""
    data = config.data.model_copy(update={"columns": dict(reversed(config.data.columns.items()))})
    features = dict(reversed([*config.features.items()][1:]))
    model = config.model.model_copy(update={"params": {"n_jobs": 3}, "tune": None})
    return config.model_copy(update={"data": data, "features": features, "single_model": model})


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.stem)
def test_components_are_configured_as_they_were(path: Path) -> None:
    """Every parameter and every order of keys comes back, and what the file says otherwise is told."""
    config = load_pipeline(path)
    lineage = recorded(config, retraining_graph(config))
    now = edited(config)
    for one in lineage:
        found = restore(now, retraining_graph(now), one, lineage)
        assert found.unlike == ()
        again = json.loads(json.dumps(dict(found.component.parameters)))
        assert again == one.execution.parameters
        assert found.changed, one.node
    assert [*found.config.features] == [*config.features]
    assert [*found.config.data.columns] == [*config.data.columns]


def test_an_unchanged_file_is_followed_as_it_is() -> None:
    """Nothing is restored where nothing changed: the very configuration is used."""
    config = load_pipeline(PIPELINES[0])
    lineage = recorded(config, retraining_graph(config))
    for one in lineage:
        found = restore(config, retraining_graph(config), one, lineage)
        assert found.config is config
        assert found.changed == found.unlike == ()


def test_a_component_that_is_gone_is_an_error() -> None:
    """What no node of the graph is any more cannot run again."""
    config = load_pipeline(PIPELINES[0])
    graph = retraining_graph(config)
    one = recorded(config, graph)[0]
    nodes = tuple(node for node in graph.nodes if node.name != one.node)
    with pytest.raises(ConfigError, match="no component 'ExampleGen' any more"):
        restore(config, Graph(nodes=nodes), one, [one])


def test_levels_are_the_longest_way_and_circles_an_error() -> None:
    """Each comes after all that it reads, however it is reached, and however deep it is."""
    assert _levels({1: set(), 2: {1}, 3: {1, 2}, 4: {3, 1}}) == {1: 1, 2: 2, 3: 3, 4: 4}
    deep = _levels({number: {number - 1} - {0} for number in range(1, 2000)})
    assert deep[1999] == 1999
    with pytest.raises(MetadataError, match="circle"):
        _levels({1: {2}, 2: {1}})
