"""What a destination of lineage events has not taken yet, told from the executions and moves themselves.

Nothing is written when an execution begins or ends: that an event is due follows from the state it is in. A row says
that one was taken. Rows up to a mark are dropped, and the mark stays behind what may still be being inserted: ids are
given before their transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Connection, and_, delete, exists, func, not_, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mlcore.core.types import Execution, ExecutionState
from mlcore.metadata.delivery_tables import delivery, delivery_mark
from mlcore.metadata.records import to_execution
from mlcore.metadata.registry_tables import alias_history
from mlcore.metadata.tables import execution

EXECUTION, MOVE = "execution", "move"
START = "START"
_SETTLED = timedelta(hours=1)
"""No transaction that inserts an execution or a move is open for so long."""
_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one destination has taken of one pipeline; each method is part of the caller's transaction."""

    connection: Connection
    pipeline: str
    destination: str

    def due_executions(self, ends: Mapping[ExecutionState, str], limit: int | None) -> tuple[Execution, ...]:
        """Executions that have an event which was not taken, in the order they began.

        Args:
            ends: The event that an execution of a state ends with.
            limit: No more than so many; ``None``: all.
        """
        ended = [
            and_(execution.c.state == state.value, not_(self._has(EXECUTION, execution.c.id, kind)))
            for state, kind in ends.items()
        ]
        query = (
            select(execution)
            .where(execution.c.pipeline == self.pipeline, execution.c.id > self.mark(EXECUTION))
            .where(or_(not_(self._has(EXECUTION, execution.c.id, START)), *ended))
            .order_by(execution.c.id)
            .limit(limit)
        )
        return tuple(to_execution(row) for row in self.connection.execute(query))

    def all_executions(self) -> tuple[Execution, ...]:
        """Every execution of the pipeline, in the order they began."""
        query = select(execution).where(execution.c.pipeline == self.pipeline).order_by(execution.c.id)
        return tuple(to_execution(row) for row in self.connection.execute(query))

    def due_moves(self, kind: str) -> frozenset[int]:
        """Ids of the alias moves of which an event was not taken; ``kind`` is what a move ends with."""
        query = select(alias_history.c.id).where(
            alias_history.c.pipeline == self.pipeline,
            alias_history.c.id > self.mark(MOVE),
            not_(and_(self._has(MOVE, alias_history.c.id, START), self._has(MOVE, alias_history.c.id, kind))),
        )
        return frozenset(self.connection.scalars(query))

    def taken(self, subject: str, ids: Iterable[int]) -> frozenset[tuple[int, str]]:
        """Of these subjects, the events that were taken, or refused for good."""
        query = select(delivery.c.subject_id, delivery.c.kind).where(
            *self._ours(), delivery.c.subject == subject, delivery.c.subject_id.in_(list(ids))
        )
        return frozenset((row.subject_id, row.kind) for row in self.connection.execute(query))

    def refused(self) -> tuple[tuple[str, int, str, str], ...]:
        """Subject, id, event and reason of those that the destination will never take."""
        query = (
            select(delivery.c.subject, delivery.c.subject_id, delivery.c.kind, delivery.c.refused)
            .where(*self._ours(), delivery.c.refused.is_not(None))
            .order_by(delivery.c.subject, delivery.c.subject_id, delivery.c.kind)
        )
        return tuple((row.subject, row.subject_id, row.kind, row.refused) for row in self.connection.execute(query))

    def record(self, taken: Iterable[tuple[str, int, str]], refused: Mapping[tuple[str, int, str], str]) -> None:
        """Remember what became of events; to say so again changes nothing."""
        rows = [
            {
                "pipeline": self.pipeline,
                "destination": self.destination,
                "subject": subject,
                "subject_id": subject_id,
                "kind": kind,
                "refused": refused[subject, subject_id, kind][:_MOST_REASON]
                if (subject, subject_id, kind) in refused
                else None,
            }
            for subject, subject_id, kind in taken
        ]
        if rows:
            self.connection.execute(upsert(delivery).on_conflict_do_nothing(), rows)

    def mark(self, subject: str) -> int:
        """Up to this id everything is delivered; 0 at first."""
        query = select(delivery_mark.c.below).where(
            delivery_mark.c.pipeline == self.pipeline,
            delivery_mark.c.destination == self.destination,
            delivery_mark.c.subject == subject,
        )
        return self.connection.scalar(query) or 0

    def settle(self, ends: Mapping[ExecutionState, str], move_kind: str) -> None:
        """Raise the marks as far as everything is delivered and long past, and drop the rows below them."""
        due = self.due_executions(ends, limit=1)
        running = self.connection.scalar(self._first(execution, execution.c.started_at, execution.c.finished_at))
        self._raise(EXECUTION, execution, [due[0].id if due else None, running], execution.c.started_at)
        moves = self.due_moves(move_kind)
        self._raise(MOVE, alias_history, [min(moves, default=None)], alias_history.c.moved_at)

    def forget(self) -> None:
        """As if nothing had ever been taken."""
        for table in (delivery, delivery_mark):
            self.connection.execute(
                delete(table).where(table.c.pipeline == self.pipeline, table.c.destination == self.destination)
            )

    def _first(self, table: Any, started: Column[Any], finished: Column[Any]) -> Any:
        """The first that is under way, or so new that earlier ones may not be seen yet."""
        fresh = started > func.now() - _SETTLED
        return select(func.min(table.c.id)).where(
            table.c.pipeline == self.pipeline,
            table.c.id > self.mark(EXECUTION),
            or_(finished.is_(None), fresh),
        )

    def _raise(self, subject: str, table: Any, before: Iterable[int | None], moment: Column[Any]) -> None:
        known = [one for one in before if one is not None]
        query = select(func.max(table.c.id)).where(
            table.c.pipeline == self.pipeline, table.c.id > self.mark(subject), moment <= func.now() - _SETTLED
        )
        if known:
            query = query.where(table.c.id < min(known))
        below = self.connection.scalar(query)
        if below is None:
            return
        row = {"pipeline": self.pipeline, "destination": self.destination, "subject": subject, "below": below}
        statement = upsert(delivery_mark).values(row)
        self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["pipeline", "destination", "subject"], set_={"below": statement.excluded.below}
            )
        )
        self.connection.execute(
            delete(delivery).where(
                *self._ours(),
                delivery.c.subject == subject,
                delivery.c.subject_id <= below,
                delivery.c.refused.is_(None),
            )
        )

    def _has(self, subject: str, subject_id: Column[Any], kind: str) -> Any:
        return exists().where(
            *self._ours(),
            delivery.c.subject == subject,
            delivery.c.subject_id == subject_id,
            delivery.c.kind == kind,
        )

    def _ours(self) -> tuple[Any, Any]:
        return delivery.c.pipeline == self.pipeline, delivery.c.destination == self.destination
