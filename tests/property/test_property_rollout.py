from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stores import FIRST_DAY, new_artifact, new_execution, push

from mlcore.core.types import ArtifactType
from mlcore.errors import MetadataError
from mlcore.evaluation.spending import share_by, share_left
from mlcore.metadata.store import MetadataStore, Publication
from mlcore.registry.challenge import Look, LookVerdict, conclude
from mlcore.registry.records import PushOutcome
from mlcore.registry.store import Registry
from mlcore.serving.routing import in_share, salt_of

KEYS = [f"key {number}".encode() for number in range(4_000)]


@given(share=st.floats(0.01, 0.99), versions=st.tuples(st.text(max_size=80), st.text(max_size=80)))
@settings(max_examples=40, deadline=None)
def test_a_canary_answers_its_share_and_the_same_keys_again(share: float, versions: tuple[str, str]) -> None:
    """Whatever the versions: six standard errors from the share at most, and more of the share adds keys only."""
    salt = salt_of(*versions)
    chosen = [in_share(key, share, salt) for key in KEYS]
    error = math.sqrt(share * (1 - share) / len(KEYS))
    assert abs(sum(chosen) / len(KEYS) - share) < 6 * error
    assert chosen == [in_share(key, share, salt) for key in KEYS]
    more = [in_share(key, min(share * 1.5, 1.0), salt) for key in KEYS]
    assert all(also for one, also in zip(chosen, more, strict=True) if one)


@given(moments=st.lists(st.floats(0.0, 1.5), max_size=40))
def test_all_looks_together_spend_no_more_than_there_is(moments: list[float]) -> None:
    """However often and whenever one looks, the shares are none below zero and come to one at most."""
    spent = 0.0
    for moment in sorted(moments):
        share = share_left(moment, spent)
        assert share >= 0.0
        spent += share
        assert spent == pytest.approx(share_by(moment))


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


def look_at(store: MetadataStore, pipeline: str, verdict: LookVerdict, until: int) -> None:
    """A look at the challenger, if there is one, with labels up to a day."""
    present = Registry(store).challenge(pipeline)
    if present is None:
        return
    begun = store.begin(new_execution(pipeline=pipeline, run="monitor"), {})
    made = new_artifact(f"{begun.id}/challenge", pipeline=pipeline, type_=ArtifactType.CHALLENGE)
    (published,) = store.publish([Publication(execution_id=begun.id, outputs={"challenge": [made]})])
    look = Look(
        move_id=present.move_id,
        challenger=present.challenger.version,
        champion=present.champion.version,
        look=len(present.looks) + 1,
        verdict=verdict,
        until=FIRST_DAY + timedelta(days=until),
        rows=10,
        spent=0.5,
        artifact_id=published["challenge"][0].id,
        reason="seen",
        run="monitor",
    )
    with store.begun() as connection:
        conclude(connection, pipeline, look, needs_approval=False)


ACTS = st.one_of(
    st.tuples(st.just("push"), st.integers(0, 6), st.integers(0, 9)),
    st.tuples(st.just("force"), st.integers(0, 6), st.integers(0, 9)),
    st.tuples(st.just("look"), st.sampled_from(list(LookVerdict)), st.integers(20, 40)),
    st.tuples(st.just("rollback"), st.just(0), st.just(0)),
    st.tuples(st.just("pin"), st.just(0), st.just(0)),
    st.tuples(st.just("unpin"), st.just(0), st.just(0)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=st.lists(ACTS, min_size=3, max_size=12), name=st.uuids())
def test_whatever_happens_there_is_one_champion_and_no_challenger_returns(
    store: MetadataStore, acts: list[tuple[str, object, int]], name: object
) -> None:
    """Pushes, looks, rollbacks and pins in any order: one champion after each, which never challenges itself.

    Every version becomes challenger by itself once at most, and never while it is older than the champion.
    """
    pipeline, registry = f"p{name}", Registry(store)
    push(store, "first", 0, pipeline=pipeline)
    for act, what, when in acts:
        try:
            if act == "look":
                assert isinstance(what, LookVerdict)
                look_at(store, pipeline, what, when)
            elif act in ("push", "force"):
                made = push(
                    store, f"model {what}", int(str(what)), force=act == "force", challenges=True, pipeline=pipeline
                )
                if made.outcome is PushOutcome.CHALLENGER:
                    champion, challenger = registry.find(pipeline), registry.find(pipeline, "challenger")
                    assert challenger.train_end >= champion.train_end
            elif act == "rollback":
                registry.rollback(pipeline, actor="ana", reason="test")
            elif act == "pin":
                registry.pin(pipeline, actor="ana", reason="test")
            else:
                registry.unpin(pipeline, actor="ana", reason="test")
        except MetadataError:
            pass  # there is no earlier champion, it is pinned, or nothing is
        aliases = registry.aliases(pipeline)
        assert aliases["champion"] != aliases.get("challenger")
    for alias in ("champion", "challenger"):
        moves = registry.history(pipeline, alias)
        assert [move.from_version for move in moves[1:]] == [move.to_version for move in moves[:-1]]
    became = [move.to_version for move in registry.history(pipeline, "challenger") if move.to_version is not None]
    assert len(became) == len(set(became))
