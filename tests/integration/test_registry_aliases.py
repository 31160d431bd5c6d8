from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from support.stores import push

from mlcore.errors import MetadataError, NoChampion
from mlcore.metadata.store import MetadataStore
from mlcore.registry.records import MoveKind, PushOutcome
from mlcore.registry.store import Registry


@pytest.fixture
def store(database_url: str) -> Iterator[MetadataStore]:
    opened = MetadataStore.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def registry(store: MetadataStore) -> Registry:
    """The registry after three pushes."""
    for day in (7, 14, 21):
        push(store, f"week {day}", day)
    return Registry(store)


def test_previous_follows_from_the_champions_history(store: MetadataStore, registry: Registry) -> None:
    """It is the version that a rollback goes to: never set, never stale."""
    assert registry.aliases("p") == {"champion": 3, "previous": 2}
    registry.rollback("p", actor="ana", reason="")
    assert registry.aliases("p") == {"champion": 2, "previous": 1}
    push(store, "week 28", 28)
    assert registry.aliases("p") == {"champion": 4, "previous": 2}
    assert registry.find("p", "previous").version == registry.rollback("p", actor="ana", reason="")[1].version == 2


def test_an_alias_of_ones_own_is_set_moved_and_removed_with_a_history(registry: Registry) -> None:
    """Every move is a row that says who, from where, to where and why; what is removed can be set again."""
    assert registry.set_alias("p", "shadow", 1, actor="ana", reason="a look") is None
    assert registry.set_alias("p", "shadow", 2, actor="bob", reason="another") == 1
    assert registry.find("p", "shadow").version == 2
    assert registry.remove_alias("p", "shadow", actor="eve", reason="enough") == 2
    assert "shadow" not in registry.aliases("p")
    registry.set_alias("p", "shadow", 1, actor="ana", reason="again")
    moves = registry.history("p", "shadow")
    assert [(move.kind, move.from_version, move.to_version, move.actor, move.reason) for move in moves] == [
        (MoveKind.SET, None, 1, "ana", "a look"),
        (MoveKind.SET, 1, 2, "bob", "another"),
        (MoveKind.REMOVE, 2, None, "eve", "enough"),
        (MoveKind.SET, None, 1, "ana", "again"),
    ]
    assert registry.aliases("p")["champion"] == 3


@pytest.mark.parametrize(
    "name", ["champion", "previous", "latest", "v3", "3", "Upper", "", "a b", "x" * 64, "a\n", "é"]
)
def test_reserved_names_and_what_is_no_name_are_refused(registry: Registry, name: str) -> None:
    """The champion moves by a push, a promotion or a rollback alone, and a name is one everywhere."""
    with pytest.raises(MetadataError, match=r"reserved|no name|reads as a version"):
        registry.set_alias("p", name, 1, actor="ana", reason="")
    with pytest.raises(MetadataError):
        registry.remove_alias("p", name, actor="ana", reason="")


def test_what_cannot_be_is_refused(registry: Registry) -> None:
    """No such version, no such alias, where it is already, and a champion that would challenge itself."""
    for act, message in (
        (lambda: registry.set_alias("p", "shadow", 9, actor="a", reason=""), "there is no version 9"),
        (lambda: registry.set_alias("p", "challenger", 3, actor="a", reason=""), "cannot challenge itself"),
        (lambda: registry.remove_alias("p", "shadow", actor="a", reason=""), "there is no alias shadow"),
        (lambda: registry.find("p", "shadow"), "there is no alias 'shadow'"),
        (lambda: registry.find("p", 9), "there is no version 9"),
    ):
        with pytest.raises(MetadataError, match=message):
            act()
    registry.set_alias("p", "shadow", 1, actor="a", reason="")
    with pytest.raises(MetadataError, match="is at version 1 already"):
        registry.set_alias("p", "shadow", 1, actor="a", reason="")
    with pytest.raises(NoChampion):
        registry.find("q")


def test_a_challenger_that_becomes_champion_is_challenger_no_more(store: MetadataStore, registry: Registry) -> None:
    """The same transaction that moves the champion removes it, with the reason."""
    registry.set_alias("p", "challenger", 1, actor="ana", reason="compare")
    registry.rollback("p", 1, actor="ana", reason="it was better")
    assert registry.aliases("p") == {"champion": 1}
    assert registry.history("p", "challenger")[-1].reason == "it is the champion"


def test_a_move_is_made_only_from_where_it_was_expected(registry: Registry) -> None:
    """Who looked before somebody else moved is told so, and nothing happens: rollback, promote, pin and aliases."""
    acts = {
        "rollback": lambda expect: registry.rollback("p", actor="a", reason="", expect=expect),
        "promote": lambda expect: registry.promote("p", 1, actor="a", reason="", expect=expect),
        "pin": lambda expect: registry.pin("p", actor="a", reason="", expect=expect),
        "set": lambda expect: registry.set_alias("p", "mine", 1, actor="a", reason="", expect=expect),
        "remove": lambda expect: registry.remove_alias("p", "mine", actor="a", reason="", expect=expect),
    }
    before = registry.history("p")
    for act in acts.values():
        with pytest.raises(MetadataError, match="not at version 2 as expected: somebody moved it"):
            act(2)
    assert registry.history("p") == before
    acts["set"](0)
    acts["remove"](1)
    assert acts["rollback"](3)[1].version == 2


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'champion', 'REMOVE', 3, NULL, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'previous', 'SET', NULL, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'v7', 'SET', NULL, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'mine', 'PUSH', NULL, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'champion', 'SET', 3, 1, 'me', '')",
        "INSERT INTO alias_history (pipeline, alias, kind, from_version, to_version, actor, reason)"
        " VALUES ('p', 'mine', 'SET', 2, 1, 'me', '')",
        "UPDATE approval_history SET reason = ''",
        "DELETE FROM approval_history",
        "TRUNCATE approval_history",
        "INSERT INTO approval_history (pipeline, digest, verdict, actor, reason)"
        " VALUES ('p', 'd', 'APPROVED', 'a', '')",
    ],
)
def test_the_database_refuses_what_the_code_would_not_write(
    store: MetadataStore, registry: Registry, statement: str
) -> None:
    """A champion is never removed, reserved names stay free, approvals are not rewritten and need a Blessing."""
    with store.begun() as connection:
        connection.execute(
            text("INSERT INTO approval_history (pipeline, digest, verdict, actor, reason)"
                 " VALUES ('p', 'd', 'REQUESTED', 'a', '')")
        )  # fmt: skip
    before = (registry.history("p"), registry.approvals("p"), registry.aliases("p"))
    with pytest.raises(MetadataError), store.begun() as connection:
        connection.execute(text(statement))
    assert (registry.history("p"), registry.approvals("p"), registry.aliases("p")) == before


def test_a_version_whose_files_were_removed_is_promoted_only_when_it_was_made_again(
    store: MetadataStore, registry: Registry
) -> None:
    """Neither promoted, nor rolled back to, nor given an alias; the message names the run that makes it again."""
    gone = registry.find("p", 1)
    with store.begun() as connection:
        connection.execute(text("UPDATE artifact SET state = 'DELETED' WHERE id = :id"), {"id": gone.artifact_id})
    for act in (
        lambda: registry.rollback("p", 1, actor="a", reason=""),
        lambda: registry.promote("p", 1, actor="a", reason=""),
        lambda: registry.set_alias("p", "mine", 1, actor="a", reason=""),
    ):
        with pytest.raises(MetadataError, match="files of version 1 of p were removed") as error:
            act()
        assert "run of week 7" in error.value.next_step
    with store.begun() as connection:
        connection.execute(
            text(
                "INSERT INTO artifact (type, uri, digest, pipeline, state) VALUES ('Model', 'again', :d, 'p', 'LIVE')"
            ),
            {"d": gone.digest},
        )
    assert registry.promote("p", 1, actor="a", reason="")[1].version == 1
    assert push(store, "week 28", 28).outcome is PushOutcome.PROMOTED
