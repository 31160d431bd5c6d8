"""Model versions and their aliases as the registry's users see them: read them, and move them by hand."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, select

from mlcore.errors import MetadataError, NoChampion
from mlcore.metadata.registry_tables import (
    alias_history,
    approval_history,
    model_version,
    pin_history,
    push_history,
)
from mlcore.metadata.store import MetadataStore
from mlcore.registry import acts, rows
from mlcore.registry.challenge import Challenge, Look, find_challenge, looks
from mlcore.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from mlcore.registry.push import check_pending, objection
from mlcore.registry.records import (
    AliasMove,
    Approval,
    Candidate,
    ModelVersion,
    MoveKind,
    Pin,
    PinMove,
    PushRecord,
    Verdict,
)

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "Registry"]


class Registry:
    """Who is champion and who was.

    Runs move the champion inside their publishing transaction (:func:`mlcore.registry.push.promote`), people by the
    methods of this class. A method that moves something takes ``expect``: where the caller says at which version the
    alias is (0 for nowhere) and it is elsewhere by then, nothing is moved.
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
            return tuple(rows.record(ModelVersion, row) for row in connection.execute(query))

    def aliases(self, pipeline: str) -> dict[str, int]:
        """The version of every alias, by name; ``previous`` is the champion that a rollback goes to."""
        with self._store.begun() as connection:
            placed = rows.placed(connection, pipeline)
            before = rows.champion_reign(connection, pipeline).champions[:-1]
        return dict(sorted({**placed, **({PREVIOUS: before[-1]} if before else {})}.items()))

    def find(self, pipeline: str, name: str | int = CHAMPION) -> ModelVersion:
        """A version by its number or by an alias.

        Raises:
            NoChampion: The champion is asked for, and there is none.
            MetadataError: There is no such version, or no such alias.
        """
        number = int(name) if str(name).isdecimal() else self.aliases(pipeline).get(str(name))
        if number is not None:
            with self._store.begun() as connection:
                return acts.known_version(connection, pipeline, number)
        if name == CHAMPION:
            raise NoChampion(f"{pipeline} has no champion", next_step=f"train one: mlcore run {pipeline} --at <moment>")
        raise MetadataError(
            f"there is no alias {str(name)[:63]!r} of {pipeline}", next_step=f"see: mlcore models list {pipeline}"
        )

    def history(self, pipeline: str, alias: str | None = None) -> tuple[AliasMove, ...]:
        """Every move of the aliases, or of one, oldest first."""
        query = select(alias_history).where(alias_history.c.pipeline == pipeline).order_by(alias_history.c.id)
        if alias is not None:
            query = query.where(alias_history.c.alias == alias)
        with self._store.begun() as connection:
            return tuple(rows.record(AliasMove, row) for row in connection.execute(query))

    def pushes(self, pipeline: str) -> tuple[PushRecord, ...]:
        """What became of every push, oldest first."""
        return self._all(PushRecord, push_history, pipeline)

    def pins(self, pipeline: str) -> tuple[PinMove, ...]:
        """Everything that was pinned and unpinned, oldest first."""
        return self._all(PinMove, pin_history, pipeline)

    def approvals(self, pipeline: str) -> tuple[Approval, ...]:
        """What people were asked and said of models, oldest first."""
        return self._all(Approval, approval_history, pipeline)

    def approval(self, pipeline: str, digest: str) -> Approval | None:
        """What was said last of a model, or that a person was asked; ``None`` where nobody was."""
        with self._store.begun() as connection:
            return rows.approval(connection, pipeline, digest)

    def challenge(self, pipeline: str) -> Challenge | None:
        """The challenger and the champion that it is compared with; ``None`` where nobody challenges."""
        with self._store.begun() as connection:
            return find_challenge(connection, pipeline)

    def looks(self, pipeline: str) -> tuple[Look, ...]:
        """Every look at every challenger, oldest first."""
        with self._store.begun() as connection:
            return looks(connection, pipeline)

    def pending(self, pipeline: str) -> tuple[ModelVersion, ...]:
        """The versions that wait for a person's approval, oldest first."""
        newest = {said.digest: said.verdict for said in self.approvals(pipeline)}
        return tuple(one for one in self.versions(pipeline) if newest.get(one.digest) is Verdict.REQUESTED)

    def check_pending(self, version: ModelVersion) -> None:
        """That a version waits for a person's approval.

        Raises:
            MetadataError: It does not.
        """
        with self._store.begun() as connection:
            check_pending(connection, version)

    def pinned(self, pipeline: str) -> Pin | None:
        """The pin that keeps the champion where it is."""
        with self._store.begun() as connection:
            return rows.pin(connection, pipeline)

    def objection(self, candidate: Candidate) -> str:
        """Why a model would not be promoted now, whatever a person said of it; empty where nothing speaks against."""
        with self._store.begun() as connection:
            return objection(connection, candidate)

    def restored(self, version: ModelVersion) -> bool:
        """Whether a version is the champion because people rolled back to it."""
        moves = self.history(version.pipeline, CHAMPION)
        return bool(moves) and (moves[-1].kind, moves[-1].to_version) == (MoveKind.ROLLBACK, version.version)

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
        return None if row is None else rows.record(ModelVersion, row)

    def rollback(
        self, pipeline: str, to_version: int | None = None, *, actor: str, reason: str, expect: int | None = None
    ) -> acts.Moved:
        """Make an earlier champion the champion again; those that came after it do not return by themselves.

        Args:
            pipeline: Whose champion.
            to_version: Any earlier champion; by default the one before, of those that nobody rolled back from.
            actor: Who does it.
            reason: Why, for the history.
            expect: See the class.

        Returns:
            The champion until now, and the one from now on.

        Raises:
            NoChampion: The pipeline has no champion.
            MetadataError: There is no earlier champion, the version never was one, is it now, has no files any more,
                or the champion is pinned or another than expected.
        """
        with self._store.begun() as connection:
            return acts.roll_back(connection, pipeline, to_version, actor=actor, reason=reason, expect=expect)

    def promote(
        self, pipeline: str, version: int, *, actor: str, reason: str, expect: int | None = None
    ) -> tuple[ModelVersion | None, ModelVersion]:
        """Make a registered version the champion by name, whatever the present one was trained on.

        Returns:
            The champion until now, and the one from now on.

        Raises:
            MetadataError: There is no such version, it is champion already, waits for approval or has no files any
                more, or the champion is pinned or another than expected.
        """
        with self._store.begun() as connection:
            return acts.promote(connection, pipeline, version, actor=actor, reason=reason, expect=expect)

    def pin(self, pipeline: str, *, actor: str, reason: str, expect: int | None = None) -> Pin:
        """Keep the champion where it is: runs go on, their pushes are recorded and withheld.

        Raises:
            NoChampion: There is none to pin.
            MetadataError: It is pinned already, or another than expected.
        """
        with self._store.begun() as connection:
            return acts.pin(connection, pipeline, actor=actor, reason=reason, expect=expect)

    def unpin(self, pipeline: str, *, actor: str, reason: str) -> Pin:
        """Let the champion be replaced again; the next push may do so.

        Returns:
            The pin that was in force.

        Raises:
            MetadataError: Nothing is pinned.
        """
        with self._store.begun() as connection:
            return acts.unpin(connection, pipeline, actor=actor, reason=reason)

    def set_alias(
        self, pipeline: str, alias: str, version: int, *, actor: str, reason: str, expect: int | None = None
    ) -> int | None:
        """Put ``challenger``, or an alias of one's own, to a version.

        Returns:
            Where it was.

        Raises:
            MetadataError: The name is none or reserved, there is no such version, it has no files any more, the
                alias is there already or elsewhere than expected, or the champion would challenge itself.
        """
        with self._store.begun() as connection:
            return acts.set_alias(connection, pipeline, alias, version, actor=actor, reason=reason, expect=expect)

    def remove_alias(self, pipeline: str, alias: str, *, actor: str, reason: str, expect: int | None = None) -> int:
        """Take ``challenger``, or an alias of one's own, away.

        Returns:
            Where it was.

        Raises:
            MetadataError: The name is none or reserved, there is no such alias, or it is elsewhere than expected.
        """
        with self._store.begun() as connection:
            return acts.remove_alias(connection, pipeline, alias, actor=actor, reason=reason, expect=expect)

    def _all(self, kind: type[rows.Record], table: Table, pipeline: str) -> tuple[rows.Record, ...]:
        query = select(table).where(table.c.pipeline == pipeline).order_by(table.c.id)
        with self._store.begun() as connection:
            return tuple(rows.record(kind, row) for row in connection.execute(query))
