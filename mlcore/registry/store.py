"""Model versions and the champion as the registry's users see them: read it, and move it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, select

from mlcore.errors import MetadataError, NoChampion
from mlcore.metadata.registry_tables import alias_history, model_version, push_history
from mlcore.metadata.store import MetadataStore
from mlcore.registry import rows
from mlcore.registry.records import AliasMove, ModelVersion, MoveKind, Pin, PushRecord
from mlcore.registry.rows import CHAMPION

__all__ = ["CHAMPION", "Registry"]


class Registry:
    """Who is champion and who was.

    Runs move the champion inside their publishing transaction (:func:`mlcore.registry.push.promote`), people by the
    methods of this class.
    """

    def __init__(self, store: MetadataStore) -> None:
        self._store = store

    def champion(self, pipeline: str) -> ModelVersion | None:
        """The model in production now."""
        with self._store.begun() as connection:
            return rows.champion(connection, pipeline)

    def versions(self, pipeline: str) -> tuple[ModelVersion, ...]:
        """Every version, oldest first."""
        query = select(model_version).where(model_version.c.pipeline == pipeline).order_by(model_version.c.version)
        with self._store.begun() as connection:
            return tuple(rows.to_version(row) for row in connection.execute(query))

    def history(self, pipeline: str) -> tuple[AliasMove, ...]:
        """Every move of an alias, oldest first."""
        query = select(alias_history).where(alias_history.c.pipeline == pipeline).order_by(alias_history.c.id)
        with self._store.begun() as connection:
            return tuple(rows.to_move(row) for row in connection.execute(query))

    def baseline(
        self, pipeline: str, *, as_of: datetime, evaluation_start: datetime, exclude_digest: str | None = None
    ) -> ModelVersion | None:
        """The champion of a time: the newest model promoted by then that has not seen what it is judged on.

        A version that a person took the alias from is none: what comes next is compared with what replaced it.

        Args:
            pipeline: Whose champion.
            as_of: Its window had ended by this moment.
            evaluation_start: It was trained on nothing from here on.
            exclude_digest: Not this model: nothing is compared with itself.
        """
        promoted = select(alias_history.c.to_version).where(
            alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION
        )
        query = (
            select(model_version)
            .where(model_version.c.pipeline == pipeline, model_version.c.version.in_(promoted))
            .where(model_version.c.window_end <= as_of, model_version.c.train_end <= evaluation_start)
            .order_by(model_version.c.train_end.desc(), model_version.c.version.desc())
            .limit(1)
        )
        if exclude_digest is not None:
            query = query.where(model_version.c.digest != exclude_digest)
        with self._store.begun() as connection:
            row = connection.execute(
                query.where(model_version.c.version.not_in(rows.champion_reign(connection, pipeline).left_behind))
            ).one_or_none()
        return None if row is None else rows.to_version(row)

    def pushes(self, pipeline: str) -> tuple[PushRecord, ...]:
        """What became of every push, oldest first."""
        query = select(push_history).where(push_history.c.pipeline == pipeline).order_by(push_history.c.id)
        with self._store.begun() as connection:
            return tuple(rows.to_push(row) for row in connection.execute(query))

    def pinned(self, pipeline: str) -> Pin | None:
        """The pin that keeps the champion where it is."""
        with self._store.begun() as connection:
            return rows.pin(connection, pipeline)

    def rollback(
        self, pipeline: str, to_version: int | None = None, *, actor: str, reason: str
    ) -> tuple[ModelVersion, ModelVersion]:
        """Make an earlier champion the champion again; those that came after it do not return by themselves.

        Args:
            pipeline: Whose champion.
            to_version: Any earlier champion; by default the one before, of those that nobody rolled back from.
            actor: Who does it.
            reason: Why, for the history.

        Returns:
            The champion until now, and the one from now on.

        Raises:
            NoChampion: The pipeline has no champion.
            MetadataError: There is no earlier champion, the version never was one, is it now, or it is pinned.
        """
        with self._moving(pipeline) as (connection, champion):
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
            if target is None or chosen == champion.version or not rows.was_champion(connection, pipeline, chosen):
                raise MetadataError(
                    f"version {chosen} of {pipeline} is no earlier champion",
                    next_step=f"mlcore models history {pipeline} lists those that are",
                )
            rows.move(connection, pipeline, MoveKind.ROLLBACK, champion, chosen, actor=actor, reason=reason)
        return champion, target

    def promote(
        self, pipeline: str, version: int, *, actor: str, reason: str
    ) -> tuple[ModelVersion | None, ModelVersion]:
        """Make a registered version the champion by name, whatever the present one was trained on.

        Returns:
            The champion until now, and the one from now on.

        Raises:
            MetadataError: There is no such version, it is champion already, or another is pinned.
        """
        with self._moving(pipeline) as (connection, champion):
            target = rows.version(connection, pipeline, version)
            if target is None:
                raise MetadataError(
                    f"there is no version {version} of {pipeline}",
                    next_step=f"mlcore models list {pipeline} lists those there are",
                )
            if champion is not None and champion.version == version:
                raise MetadataError(f"version {version} of {pipeline} is the champion already")
            rows.move(connection, pipeline, MoveKind.FORCE, champion, version, actor=actor, reason=reason)
        return champion, target

    def pin(self, pipeline: str, *, actor: str, reason: str) -> Pin:
        """Keep the champion where it is: runs go on, their pushes are recorded and withheld.

        Raises:
            NoChampion: There is none to pin.
            MetadataError: It is pinned already.
        """
        with self._moving(pipeline) as (connection, champion):
            if champion is None:
                raise NoChampion(f"pipeline {pipeline} has no champion to pin")
            rows.add_pin(connection, pipeline, champion.version, actor=actor, reason=reason)
            made = rows.pin(connection, pipeline)
        if made is None:
            raise MetadataError(f"the pin of {pipeline} is not there")
        return made

    def unpin(self, pipeline: str, *, actor: str, reason: str) -> Pin:
        """Let the champion be replaced again; the next push may do so.

        Returns:
            The pin that was in force.

        Raises:
            MetadataError: Nothing is pinned.
        """
        with self._store.begun() as connection:
            rows.serialize(connection, pipeline)
            pin = rows.pin(connection, pipeline)
            if pin is None:
                raise MetadataError(f"the champion of {pipeline} is not pinned")
            rows.add_pin(connection, pipeline, None, actor=actor, reason=reason)
        return pin

    @contextmanager
    def _moving(self, pipeline: str) -> Iterator[tuple[Connection, ModelVersion | None]]:
        """A transaction that alone may move the champion, and the champion; refused while it is pinned."""
        with self._store.begun() as connection:
            rows.serialize(connection, pipeline)
            pin = rows.pin(connection, pipeline)
            if pin is not None:
                raise MetadataError(
                    f"version {pin.version} of {pipeline} is pinned by {pin.actor}: {pin.reason}",
                    next_step=f"unpin it first: mlcore models unpin {pipeline} --reason <why>",
                )
            yield connection, rows.champion(connection, pipeline)
