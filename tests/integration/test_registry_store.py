from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from support.stores import FIRST_DAY, digest, push

from mlcore.errors import MetadataError, NoChampion
from mlcore.metadata.store import MetadataStore
from mlcore.registry.records import ModelVersion, MoveKind, PushOutcome
from mlcore.registry.store import Registry


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def registry(store: MetadataStore) -> Registry:
    return Registry(store)


def champion(registry: Registry) -> int:
    found = registry.champion("p")
    assert found is not None
    return found.version


def baseline(registry: Registry, day: int, exclude: str | None = None) -> int | None:
    """The version that a run is compared with whose training data ends on ``day``."""
    moment = FIRST_DAY + timedelta(days=day)
    found = registry.baseline(
        "p",
        as_of=moment + timedelta(days=8),
        evaluation_start=moment,
        exclude_digest=digest(exclude) if exclude else None,
    )
    return found.version if isinstance(found, ModelVersion) else None


def test_a_newer_model_becomes_champion_and_an_older_does_not(store: MetadataStore, registry: Registry) -> None:
    """A run of the past is registered, and the alias stays where it is, with the reason told."""
    assert push(store, "second", 14).outcome is PushOutcome.PROMOTED
    withheld = push(store, "first", 7)
    assert (withheld.outcome, withheld.version) == (PushOutcome.WITHHELD, 2)
    assert withheld.reason == ("withheld: champion 1 was trained on data up to 2024-01-15, version 2 up to 2024-01-08")
    assert push(store, "third", 21).outcome is PushOutcome.PROMOTED
    assert [version.version for version in registry.versions("p")] == [1, 2, 3]
    assert [(move.from_version, move.to_version) for move in registry.history("p")] == [(None, 1), (1, 3)]
    assert champion(registry) == 3


def test_a_model_of_the_same_window_may_replace_the_champion(store: MetadataStore, registry: Registry) -> None:
    """New code on the same data is no run of the past."""
    push(store, "old code", 7)
    assert push(store, "new code", 7).outcome is PushOutcome.PROMOTED
    assert champion(registry) == 2


def test_one_digest_is_one_version(store: MetadataStore, registry: Registry) -> None:
    """Pushing the champion again changes nothing; the same digest in another pipeline is another model."""
    push(store, "a", 7)
    again = push(store, "a", 7)
    assert (again.outcome, again.version) == (PushOutcome.UNCHANGED, 1)
    assert push(store, "a", 7, pipeline="q").version == 1
    assert len(registry.history("p")) == 1


def test_force_takes_the_alias_by_name(store: MetadataStore, registry: Registry) -> None:
    """A person may make an older model the champion; the history says that it was forced, by whom and why."""
    push(store, "newer", 14)
    forced = push(store, "older", 7, force=True, run="manual__1")
    assert forced.outcome is PushOutcome.PROMOTED
    move = registry.history("p")[-1]
    assert (move.kind, move.from_version, move.to_version, move.actor) == (MoveKind.FORCE, 1, 2, "manual__1")
    assert push(store, "unforced", 21, force=True).outcome is PushOutcome.PROMOTED
    assert registry.history("p")[-1].kind is MoveKind.PUSH


def test_what_was_rolled_back_does_not_return_by_itself(store: MetadataStore, registry: Registry) -> None:
    """Neither the version rolled back from nor those on the way are promoted again, unless asked for by name."""
    for day in (7, 14, 21):
        push(store, f"week {day}", day)
    before, after = registry.rollback("p", 1, actor="ana", reason="complaints")
    assert (before.version, after.version) == (3, 1)
    for day, version in ((14, 2), (21, 3)):
        withheld = push(store, f"week {day}", day)
        assert (withheld.outcome, withheld.reason) == (
            PushOutcome.WITHHELD,
            f"withheld: a person took the alias from version {version}",
        )
    assert champion(registry) == 1
    assert push(store, "week 21, mended", 21).outcome is PushOutcome.PROMOTED
    assert push(store, "week 21", 21, force=True).outcome is PushOutcome.PROMOTED
    assert champion(registry) == 3
    move = registry.history("p")[3]
    assert (move.kind, move.from_version, move.to_version, move.actor, move.reason) == (
        MoveKind.ROLLBACK,
        3,
        1,
        "ana",
        "complaints",
    )


def test_only_an_earlier_champion_can_be_rolled_back_to(store: MetadataStore, registry: Registry) -> None:
    """The champion itself, a version that never was champion, and one that is not there are refused."""
    with pytest.raises(NoChampion):
        registry.rollback("p", 1, actor="ana", reason="")
    push(store, "second", 14)
    push(store, "first", 7)
    for version in (1, 2, 3):
        with pytest.raises(MetadataError, match=f"version {version} of p is no earlier champion"):
            registry.rollback("p", version, actor="ana", reason="")


def test_the_baseline_is_the_champion_of_its_time(store: MetadataStore, registry: Registry) -> None:
    """Of the models that were promoted at some time, the newest that had not seen what it is judged on."""
    assert baseline(registry, 7) is None
    for day in (7, 14, 21):
        push(store, f"week {day}", day)
    assert [baseline(registry, day) for day in (6, 7, 13, 14, 20, 21, 28)] == [None, 1, 1, 2, 2, 3, 3]
    assert baseline(registry, 14, exclude="week 14") == 1


def test_a_withheld_model_is_no_baseline(store: MetadataStore, registry: Registry) -> None:
    """A backfilled model that never was champion is nobody's measure."""
    push(store, "newest", 21)
    push(store, "backfilled", 14)
    assert baseline(registry, 14) is None


def test_a_model_whose_window_had_not_ended_is_no_baseline(store: MetadataStore, registry: Registry) -> None:
    """As of a moment, only what was evaluated by then is known."""
    push(store, "week 7", 7)
    moment = FIRST_DAY + timedelta(days=13)
    assert registry.baseline("p", as_of=moment, evaluation_start=moment) is None
    moment += timedelta(days=1)
    assert registry.baseline("p", as_of=moment, evaluation_start=moment) is not None


def test_after_a_rollback_the_champion_is_the_baseline(store: MetadataStore, registry: Registry) -> None:
    """What comes next is compared with what is in production, not with what was taken out of it."""
    for day in (7, 14, 21):
        push(store, f"week {day}", day)
    registry.rollback("p", 1, actor="ana", reason="complaints")
    assert baseline(registry, 28) == 1
    push(store, "week 28", 28)
    assert baseline(registry, 35) == 4


def test_after_a_forced_push_the_champion_is_the_baseline(store: MetadataStore, registry: Registry) -> None:
    """A newer model that was forced aside is no measure either."""
    push(store, "newer", 14)
    push(store, "older", 7, force=True)
    assert baseline(registry, 21) == 2
    assert push(store, "newer", 14).outcome is PushOutcome.WITHHELD


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alias SET version = 1",
        "DELETE FROM alias",
        "INSERT INTO alias VALUES ('p', 'other', 1)",
        "TRUNCATE alias",
        "UPDATE alias_history SET reason = 'because'",
        "DELETE FROM alias_history",
        "TRUNCATE alias_history",
        "UPDATE model_version SET digest = 'other'",
        "TRUNCATE model_version CASCADE",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'champion', 'PUSH', 1, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'champion', 'PUSH', 2, 9, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'champion', 'JOKE', 2, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'Upper', 'PUSH', NULL, 1, 'me', '')",
        "INSERT INTO model_version SELECT pipeline, 4, artifact_id, evaluation_id, 'd', train_start, train_end,"
        " window_end, run FROM model_version WHERE version = 1",
        "INSERT INTO model_version SELECT pipeline, 3, artifact_id, evaluation_id, digest, train_start, train_end,"
        " window_end, run FROM model_version WHERE version = 1",
    ],
)
def test_the_database_keeps_the_history(store: MetadataStore, registry: Registry, statement: str) -> None:
    """History only grows, the alias is what it says, versions have no gaps: against any client, not ours alone."""
    push(store, "a", 7)
    push(store, "b", 14)
    before = (registry.history("p"), registry.versions("p"), champion(registry))
    with pytest.raises(MetadataError), store.begun() as connection:
        connection.execute(text(statement))
    assert (registry.history("p"), registry.versions("p"), champion(registry)) == before


def test_a_rollback_without_a_version_goes_to_the_champion_before(store: MetadataStore, registry: Registry) -> None:
    """Twice in a row it goes back twice, never to what was rolled back from, until there is nobody before."""
    for day in (7, 14, 21):
        push(store, f"week {day}", day)
    assert registry.rollback("p", actor="ana", reason="")[1].version == 2
    assert registry.rollback("p", actor="ana", reason="")[1].version == 1
    with pytest.raises(MetadataError, match="no champion before it"):
        registry.rollback("p", actor="ana", reason="")
    assert push(store, "week 28", 28).outcome is PushOutcome.PROMOTED
    assert registry.rollback("p", actor="ana", reason="")[1].version == 1


def test_a_person_promotes_any_version_by_name(store: MetadataStore, registry: Registry) -> None:
    """Also one that was withheld; newer models are left behind then, and what is not there is refused."""
    push(store, "newer", 14)
    push(store, "older", 7)
    before, after = registry.promote("p", 2, actor="ana", reason="it is better")
    assert before is not None
    assert (before.version, after.version) == (1, 2)
    assert champion(registry) == 2
    assert push(store, "newer", 14).outcome is PushOutcome.WITHHELD
    for version, message in ((2, "is the champion already"), (9, "there is no version 9")):
        with pytest.raises(MetadataError, match=message):
            registry.promote("p", version, actor="ana", reason="")


def test_a_pinned_champion_stays(store: MetadataStore, registry: Registry) -> None:
    """Neither a newer model, nor a forced one, nor a person takes the alias from it; every push is recorded."""
    with pytest.raises(NoChampion):
        registry.pin("p", actor="ana", reason="")
    push(store, "first", 7)
    registry.pin("p", actor="ana", reason="audit")
    for force in (False, True):
        withheld = push(store, "second", 14, force=force)
        assert (withheld.outcome, withheld.reason) == (
            PushOutcome.WITHHELD,
            "withheld: ana pinned version 1: audit",
        )
    for act in (registry.pin, registry.rollback):
        with pytest.raises(MetadataError, match="version 1 of p is pinned by ana: audit"):
            act("p", actor="bob", reason="")
    with pytest.raises(MetadataError, match="pinned"):
        registry.promote("p", 2, actor="bob", reason="")
    assert [record.outcome for record in registry.pushes("p")] == [PushOutcome.PROMOTED] + 2 * [PushOutcome.WITHHELD]
    registry.unpin("p", actor="ana", reason="done")
    assert registry.pinned("p") is None
    with pytest.raises(MetadataError, match="is not pinned"):
        registry.unpin("p", actor="ana", reason="")
    assert push(store, "second", 14).outcome is PushOutcome.PROMOTED


@pytest.mark.parametrize("table", ["push_history", "pin_history"])
def test_what_became_of_pushes_and_pins_cannot_be_rewritten(
    store: MetadataStore, registry: Registry, table: str
) -> None:
    """The database itself refuses to change or remove a row of either history."""
    push(store, "first", 7)
    registry.pin("p", actor="ana", reason="audit")
    for statement in (f"UPDATE {table} SET reason = ''", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(MetadataError, match="is history"), store.begun() as connection:
            connection.execute(text(statement))
