from __future__ import annotations

import signal
from typing import Literal

import pytest
from support.killed import killed_in
from support.looks import FIRST_LOOK, LEFT_OUT, look, trying
from support.project import LATER, Project

from mlcore.registry.challenge import LookVerdict
from mlcore.registry.records import PushOutcome
from mlcore.runtime.gc import collect

MOMENTS: tuple[tuple[str, Literal["before", "inside"]], ...] = (
    ("ChallengerEvaluator", "before"),
    ("ChallengerEvaluator", "inside"),
    ("ChallengerPusher", "before"),
    ("ChallengerPusher", "inside"),
)
SHORT = f"""
from dataclasses import replace
from mlcore.runtime.graphs import monitoring
whole = monitoring._monitoring_graph
def short():
    graph = whole()
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.name not in {LEFT_OUT!r}))
monitoring._monitoring_graph = short
"""
"""Without the drift report, which costs most."""


def test_killed_amid_a_look_the_next_decides_as_if_nothing_had_been(ran: Project) -> None:
    """Kill -9 with the files written, before and inside the publishing transaction of both components in turn.

    No alias moves, no look is recorded and nothing is spent; then one run decides by one look, in one serial history
    with one champion, and nothing is left behind.
    """
    trying(ran)
    ran.run(LATER, name="later")
    for component, moment in MOMENTS:
        assert killed_in(ran, component, moment, "monitor", "tiny", "--at", FIRST_LOOK, before=SHORT) == -signal.SIGKILL
        with ran.session() as session:
            assert session.registry.aliases("tiny") == {"challenger": 2, "champion": 1}
            assert session.registry.looks("tiny") == ()
            assert session.registry.pushes("tiny")[-1].outcome is PushOutcome.CHALLENGER
    for _ in range(2):
        look(ran, FIRST_LOOK, "retry")
    with ran.session() as session:
        registry = session.registry
        (seen,) = registry.looks("tiny")
        assert (seen.verdict, seen.look, seen.rows, seen.spent) == (LookVerdict.PASSED, 1, 120, pytest.approx(1 / 9))
        assert registry.aliases("tiny") == {"champion": 2, "previous": 1}
        moves = [(move.from_version, move.to_version) for move in registry.history("tiny", "champion")]
        assert moves == [(None, 1), (1, 2)]
        challenges = [(move.from_version, move.to_version) for move in registry.history("tiny", "challenger")]
        assert challenges == [(None, 2), (2, None)]
        assert [push.outcome for push in registry.pushes("tiny")][-1] is PushOutcome.PROMOTED
        assert collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0)
        assert collect(session.artifacts, session.metadata, dry_run=False, min_age_seconds=0) == ()
        assert session.metadata.running() == frozenset()
