from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stores import new_artifact, new_execution

from mlcore.core.window import Span
from mlcore.metadata.store import MetadataStore, Publication


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


DAY = Span(start=datetime(2024, 1, 1, tzinfo=UTC), end=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=1))
Step = tuple[list[int], int]
"""Which of the artifacts so far an execution reads, and how many it makes."""

GRAPHS = st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=3), st.integers(1, 3)), min_size=1, max_size=10)


def build(store: MetadataStore, steps: list[Step]) -> tuple[list[int], list[tuple[int, list[int], list[int]]]]:
    """The artifacts, and of every execution its id, inputs and outputs."""
    artifacts: list[int] = []
    executions = []
    for reads, makes in steps:
        inputs = sorted({artifacts[index % len(artifacts)] for index in reads}) if artifacts else []
        begun = store.begin(new_execution(), {"in": inputs})
        made = [
            replace(new_artifact(f"{begun.id}/{index}"), span=[None, DAY][index % 2], properties={"index": [index]})
            for index in range(makes)
        ]
        (published,) = store.publish([Publication(execution_id=begun.id, outputs={"out": made})])
        outputs = [artifact.id for artifact in published["out"]]
        store.record_cached(new_execution(run="again"), {"in": inputs}, {"out": outputs})
        executions.append((begun.id, inputs, outputs))
        artifacts += outputs
    return artifacts, executions


def walk(
    executions: list[tuple[int, list[int], list[int]]], start: int, direction: Literal["up", "down"]
) -> dict[int, int]:
    """The depth of every artifact that can be reached, layer by layer."""
    depths: dict[int, int] = {start: 0}
    layer, depth = [start], 0
    while layer:
        depth += 1
        following = []
        for _, inputs, outputs in executions:
            near, far = (outputs, inputs) if direction == "up" else (inputs, outputs)
            if set(near) & set(layer):
                following += [id_ for id_ in far if id_ not in depths]
        layer = sorted(set(following))
        depths |= dict.fromkeys(layer, depth)
    return {id_: depth for id_, depth in depths.items() if id_ != start}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=GRAPHS, direction=st.sampled_from(["up", "down"]), most=st.sampled_from([None, 0, 1, 2, 3, 100]))
def test_lineage_is_what_can_be_reached(
    store: MetadataStore, steps: list[Step], direction: Literal["up", "down"], most: int | None
) -> None:
    """One query finds what a walk by hand finds, at the same depths; reuse of outputs adds nothing to it."""
    artifacts, executions = build(store, steps)
    for start in {artifacts[0], artifacts[-1], artifacts[len(artifacts) // 2]}:
        nodes = store.lineage(start, direction, max_depth=most)
        expected = {
            id_: depth for id_, depth in walk(executions, start, direction).items() if most is None or depth <= most
        }
        assert {node.artifact.id: node.depth for node in nodes} == expected
        assert tuple(node.artifact for node in nodes) == store.artifacts([node.artifact.id for node in nodes])
        assert [(node.depth, node.artifact.id) for node in nodes] == sorted((n.depth, n.artifact.id) for n in nodes)
        sides = {id_: inputs if direction == "up" else outputs for id_, inputs, outputs in executions}
        assert all(node.artifact.id in sides[node.execution_id] for node in nodes)
