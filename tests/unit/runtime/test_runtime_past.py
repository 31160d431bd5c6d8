"""The graphs of a pipeline that looks back, and the spans it looks back on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import dedent

import pytest
import yaml
from support.project import PIPELINE

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.past import looked_back_on, with_past
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.core.window import Interval, Months, Span
from mlcore.runtime.graphs.graph import FromNode, Graph, Part, PreviousVersions, Sources
from mlcore.runtime.graphs.monitoring import monitoring_graph
from mlcore.runtime.graphs.retraining import retraining_graph

DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)


def config(history: str = "{lately: {aggregate: mean, column: outcome, by: colour, over: P3D}}") -> PipelineConfig:
    document = yaml.safe_load(dedent(PIPELINE))
    document["data"]["history"] = yaml.safe_load(history)
    return PipelineConfig.model_validate(document)


@pytest.mark.parametrize("graph", [retraining_graph(config()), monitoring_graph(config())])
def test_all_that_reads_examples_reads_those_with_a_past(graph: Graph) -> None:
    """ExampleGen reads earlier spans too, HistoryGen alone reads its output, and corrections are told by its files."""
    assert graph["example_gen"].inputs == {"source": Sources(part=Part.PAST)}
    assert [node.name for node in graph.nodes[:3]] == ["example_gen", "history_gen", "statistics_gen"]
    for node in graph.nodes[2:]:
        for binding in node.inputs.values():
            assert not (isinstance(binding, FromNode) and binding.node == "example_gen"), node.name
            assert not isinstance(binding, PreviousVersions) or binding.node == "example_gen"


def test_a_pipeline_without_a_past_has_no_node_for_it() -> None:
    """Nothing is copied where nothing is added."""
    graph = retraining_graph(config("{}"))
    assert graph["example_gen"].inputs == {"source": Sources()}
    assert "history_gen" not in [node.name for node in graph.nodes]


def spans(*days: int) -> list[Span]:
    return [Span(start=START + day * DAY, end=START + (day + 1) * DAY) for day in days]


def test_spans_that_are_partly_looked_back_on_are_read() -> None:
    """A row early in a span looks farther back than a whole number of spans; gaps are looked back on once."""
    assert with_past(spans(10, 11), DAY, 1.5 * DAY) == tuple(spans(8, 9, 10, 11))
    assert with_past(spans(5, 6, 9), DAY, 2 * DAY) == tuple(spans(3, 4, 5, 6, 7, 8, 9))
    assert with_past(spans(5), DAY, 0 * DAY) == tuple(spans(5))
    year = Interval(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2025, 1, 1, tzinfo=UTC))
    (december,) = list(year.spans(Months(1)))[-1:]
    assert [span.label for span in with_past([december], Months(1), 31 * DAY)] == ["2024-10", "2024-11", "2024-12"]


def test_a_span_looks_back_on_what_lies_before_it() -> None:
    """Neither on itself, nor on later spans, nor on those that are too old; in time order."""
    artifact = Artifact(
        id=1, type=ArtifactType.EXAMPLES, uri="", digest="", pipeline="p", state=ArtifactState.LIVE, created_at=START
    )
    there = [
        replace(artifact, id=day, span=span) for day, span in zip((4, 2, 1, 3, 5), spans(4, 2, 1, 3, 5), strict=True)
    ]
    (source,) = [one for one in there if one.id == 4]
    assert [one.id for one in looked_back_on(source, there, 2 * DAY)] == [2, 3]
    assert [one.id for one in looked_back_on(source, there, 2.5 * DAY)] == [1, 2, 3]
    assert looked_back_on(source, there, 0 * DAY) == ()
