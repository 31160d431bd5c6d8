from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.stores import FIRST_DAY, push

from mlcore.errors import MetadataError
from mlcore.metadata.store import MetadataStore
from mlcore.registry.records import MoveKind, PushOutcome, reign
from mlcore.registry.store import Registry


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


def check_serial(registry: Registry, pipeline: str) -> None:
    """Every move starts where the one before ended, the last ends at the champion, versions have no gaps."""
    history = registry.history(pipeline)
    assert [move.from_version for move in history] == [None, *(move.to_version for move in history[:-1])]
    champion = registry.champion(pipeline)
    assert champion is not None
    assert history[-1].to_version == champion.version
    versions = registry.versions(pipeline)
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9))
def test_twenty_pushes_at_once_leave_one_serial_history(store: MetadataStore, database_url: str, seed: int) -> None:
    """Whatever their order, the champion is the model of the newest data, and nobody ever was replaced by an older."""
    pipeline = f"p{seed}"
    days = [random.Random(seed).randrange(10) for _ in range(20)]
    stores = [MetadataStore.open(database_url) for _ in range(4)]
    try:
        with ThreadPoolExecutor(20) as threads:
            futures = [
                threads.submit(push, stores[index % 4], f"model {index % 15}", days[index % 15], pipeline=pipeline)
                for index in range(20)
            ]
            pushes = [future.result() for future in futures]
    finally:
        for opened in stores:
            opened.close()
    registry = Registry(store)
    check_serial(registry, pipeline)
    versions = {version.version: version for version in registry.versions(pipeline)}
    assert len(versions) == 15
    champion = registry.champion(pipeline)
    assert champion is not None
    assert champion.train_end == FIRST_DAY + timedelta(days=max(days[:15]))
    ends = [versions[move.to_version].train_end for move in registry.history(pipeline)]
    assert ends == sorted(ends)
    promoted = [made for made in pushes if made.outcome is PushOutcome.PROMOTED]
    assert len(promoted) == len(registry.history(pipeline))


def test_fifty_pushes_and_rollbacks_at_once_leave_one_serial_history(store: MetadataStore, database_url: str) -> None:
    """Whoever comes first: each move starts where the one before ended, and there is one champion at every moment.

    A move that was asked for from where the champion no longer was is refused, and is not in the history.
    """
    registry = Registry(store)
    for number in range(3):
        push(store, f"first {number}", number)
    stores = [MetadataStore.open(database_url) for _ in range(4)]
    seen: list[int] = []

    def act(number: int) -> tuple[int, int] | None:
        opened = stores[number % 4]
        others = Registry(opened)
        champion = others.champion("p")
        assert champion is not None, "there was a moment without a champion"
        seen.append(champion.version)
        try:
            if number % 5 < 2:
                made = push(opened, f"model {number}", 3 + number)
                return None if made.outcome is not PushOutcome.PROMOTED else (made.version, made.version)
            if number % 5 == 2:
                before, after = others.rollback("p", actor=f"{number}", reason="", expect=champion.version)
            elif number % 5 == 3:
                before, after = others.rollback("p", actor=f"{number}", reason="")
            else:
                others.set_alias("p", "shadow", 1 + number % 3, actor=f"{number}", reason="")
                return None
        except MetadataError:
            return None
        return (before.version, after.version)

    try:
        with ThreadPoolExecutor(20) as threads:
            moved = [done for done in threads.map(act, range(50)) if done is not None]
    finally:
        for opened in stores:
            opened.close()
    moves = registry.history("p", "champion")
    assert [move.from_version for move in moves] == [None, *(move.to_version for move in moves[:-1])]
    assert len(moves) == 3 + len(moved)
    assert registry.aliases("p")["champion"] == moves[-1].to_version
    assert set(seen) <= {move.to_version for move in moves}
    shadows = registry.history("p", "shadow")
    assert [move.from_version for move in shadows] == [None, *(move.to_version for move in shadows[:-1])]
    pushed = {one.version for one in registry.versions("p")}
    assert pushed == set(range(1, 3 + 20 + 1))
    assert sum(move.kind is MoveKind.ROLLBACK for move in moves) > 0


DECISIONS = st.lists(
    st.tuples(st.sampled_from(["push", "force", "rollback"]), st.integers(0, 5), st.integers(0, 5)), min_size=1
)


@given(decisions=DECISIONS)
def test_what_a_person_decided_stands(decisions: list[tuple[str, int, int]]) -> None:
    """The champion is never among those left behind, and only a person brings one of those back."""
    moves: list[tuple[MoveKind, int, object]] = []
    for kind, version, day in decisions:
        past = [known for _, known, _ in moves]
        ends = {known: end for _, known, end in moves}
        end = ends.get(version, FIRST_DAY + timedelta(days=day))
        before = reign(moves).left_behind  # type: ignore[arg-type]
        if kind == "push" and version in before:
            continue
        if kind == "rollback" and (version not in past or version == past[-1]):
            continue
        moves.append((MoveKind[kind.upper()], version, end))
        came = reign(moves)  # type: ignore[arg-type]
        after = came.left_behind
        assert came.champions[-1] == version
        assert len(set(came.champions)) == len(came.champions)
        assert not after & set(came.champions)
        assert version not in after
        assert before - {version} <= after
        if kind == "push":
            assert after == before
        if kind == "rollback":
            assert past[-1] in after
