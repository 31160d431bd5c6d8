"""What people do to a pipeline's aliases, each on a connection that alone may do so."""

from __future__ import annotations

from sqlalchemy import Connection

from mlcore.errors import MetadataError, NoChampion
from mlcore.registry import rows
from mlcore.registry.names import CHALLENGER, CHAMPION, check_alias
from mlcore.registry.push import clear_challenger
from mlcore.registry.records import ModelVersion, MoveKind, Pin, Verdict

Moved = tuple[ModelVersion, ModelVersion]


def champion_to_move(connection: Connection, pipeline: str, expect: int | None) -> ModelVersion | None:
    """The champion; refused while it is pinned, and where it is not the version that the caller knows (0 for none)."""
    rows.serialize(connection, pipeline)
    pin = rows.pin(connection, pipeline)
    if pin is not None:
        raise MetadataError(
            f"version {pin.version} of {pipeline} is pinned by {pin.actor}: {pin.reason}",
            next_step=f"unpin it first: mlcore models unpin {pipeline} --reason <why>",
        )
    champion = rows.champion(connection, pipeline)
    check_expected(pipeline, CHAMPION, None if champion is None else champion.version, expect)
    return champion


def check_expected(pipeline: str, name: str, found: int | None, expect: int | None) -> None:
    """Compare before a move: where the caller says what it knows, that must be so.

    Args:
        pipeline: Whose alias.
        name: Of the alias.
        found: Where it is.
        expect: Where the caller believes it to be, 0 for nowhere; ``None`` where it does not say.

    Raises:
        MetadataError: It is elsewhere: somebody moved it.
    """
    if expect is not None and expect != (found or 0):
        at = "nowhere" if found is None else f"at version {found}"
        known = "nowhere" if expect == 0 else f"at version {expect}"
        raise MetadataError(
            f"alias {name} of {pipeline} is {at}, not {known} as expected: somebody moved it",
            next_step=f"look first: mlcore models history {pipeline}",
        )


def roll_back(
    connection: Connection, pipeline: str, to_version: int | None, *, actor: str, reason: str, expect: int | None
) -> Moved:
    """See :meth:`mlcore.registry.store.Registry.rollback`."""
    champion = champion_to_move(connection, pipeline, expect)
    if champion is None:
        raise NoChampion(
            f"pipeline {pipeline} has no champion to roll back from",
            next_step=f"train one: mlcore run {pipeline} --at <moment>",
        )
    earlier = rows.champion_reign(connection, pipeline).champions[:-1]
    if to_version is None and not earlier:
        raise MetadataError(
            f"version {champion.version} of {pipeline} has no champion before it to roll back to",
            next_step=f"mlcore models list {pipeline} shows what can be promoted",
        )
    chosen = earlier[-1] if to_version is None else to_version
    target = rows.version(connection, pipeline, chosen)
    if target is None or chosen == champion.version or not rows.was_at(connection, pipeline, CHAMPION, chosen):
        raise MetadataError(
            f"version {chosen} of {pipeline} is no earlier champion",
            next_step=f"mlcore models history {pipeline} lists those that are",
        )
    _take_over(connection, MoveKind.ROLLBACK, champion, target, actor=actor, reason=reason)
    return champion, target


def promote(
    connection: Connection, pipeline: str, number: int, *, actor: str, reason: str, expect: int | None
) -> tuple[ModelVersion | None, ModelVersion]:
    """See :meth:`mlcore.registry.store.Registry.promote`."""
    champion = champion_to_move(connection, pipeline, expect)
    target = known_version(connection, pipeline, number)
    if champion is not None and champion.version == number:
        raise MetadataError(f"version {number} of {pipeline} is the champion already")
    said = rows.approval(connection, pipeline, target.digest)
    if said is not None and said.verdict is Verdict.REQUESTED:
        raise MetadataError(
            f"version {number} of {pipeline} waits for approval",
            next_step=f"mlcore models approve {pipeline} {number} --reason <why>, which also promotes it; or reject it",
        )
    _take_over(connection, MoveKind.FORCE, champion, target, actor=actor, reason=reason)
    return champion, target


def _take_over(
    connection: Connection,
    kind: MoveKind,
    champion: ModelVersion | None,
    target: ModelVersion,
    *,
    actor: str,
    reason: str,
) -> None:
    check_files(connection, target)
    rows.move(
        connection,
        target.pipeline,
        CHAMPION,
        kind,
        start=champion.version if champion else None,
        end=target.version,
        actor=actor,
        reason=reason,
        evidence={"evaluation": target.evaluation_id},
    )
    clear_challenger(connection, target.pipeline, target.version, actor=actor, reason="it is the champion")


def check_files(connection: Connection, target: ModelVersion) -> None:
    """That a version's model is there to be used.

    Raises:
        MetadataError: ``mlcore gc`` removed it, or its files were lost.
    """
    if not rows.has_files(connection, target):
        raise MetadataError(
            f"the files of version {target.version} of {target.pipeline} were removed",
            where=target.digest,
            next_step=f"run its window again, which makes the same model: run {target.run}; or choose another version",
        )


def known_version(connection: Connection, pipeline: str, number: int) -> ModelVersion:
    """One version.

    Raises:
        MetadataError: There is none of that number.
    """
    found = rows.version(connection, pipeline, number)
    if found is None:
        raise MetadataError(
            f"there is no version {number} of {pipeline}",
            next_step=f"mlcore models list {pipeline} lists those there are",
        )
    return found


def pin(connection: Connection, pipeline: str, *, actor: str, reason: str, expect: int | None) -> Pin:
    """See :meth:`mlcore.registry.store.Registry.pin`."""
    champion = champion_to_move(connection, pipeline, expect)
    if champion is None:
        raise NoChampion(f"pipeline {pipeline} has no champion to pin")
    rows.add_pin(connection, pipeline, champion.version, actor=actor, reason=reason)
    made = rows.pin(connection, pipeline)
    if made is None:
        raise MetadataError(f"the pin of {pipeline} is not there")
    return made


def unpin(connection: Connection, pipeline: str, *, actor: str, reason: str) -> Pin:
    """See :meth:`mlcore.registry.store.Registry.unpin`."""
    rows.serialize(connection, pipeline)
    was = rows.pin(connection, pipeline)
    if was is None:
        raise MetadataError(f"the champion of {pipeline} is not pinned")
    rows.add_pin(connection, pipeline, None, actor=actor, reason=reason)
    return was


def set_alias(
    connection: Connection, pipeline: str, name: str, number: int, *, actor: str, reason: str, expect: int | None
) -> int | None:
    """See :meth:`mlcore.registry.store.Registry.set_alias`."""
    check_alias(name)
    rows.serialize(connection, pipeline)
    placed = rows.placed(connection, pipeline)
    found = placed.get(name)
    check_expected(pipeline, name, found, expect)
    target = known_version(connection, pipeline, number)
    if found == number:
        raise MetadataError(f"alias {name} of {pipeline} is at version {number} already")
    if name == CHALLENGER and placed.get(CHAMPION) == number:
        raise MetadataError(f"version {number} of {pipeline} is the champion: it cannot challenge itself")
    check_files(connection, target)
    rows.move(connection, pipeline, name, MoveKind.SET, start=found, end=number, actor=actor, reason=reason)
    return found


def remove_alias(
    connection: Connection, pipeline: str, name: str, *, actor: str, reason: str, expect: int | None
) -> int:
    """See :meth:`mlcore.registry.store.Registry.remove_alias`."""
    check_alias(name)
    rows.serialize(connection, pipeline)
    found = rows.placed(connection, pipeline).get(name)
    check_expected(pipeline, name, found, expect)
    if found is None:
        raise MetadataError(f"there is no alias {name} of {pipeline}")
    rows.move(connection, pipeline, name, MoveKind.REMOVE, start=found, end=None, actor=actor, reason=reason)
    return found
