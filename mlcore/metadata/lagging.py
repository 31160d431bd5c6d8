"""Which push destinations are not level with the registry, since when, and whether people were told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from mlcore.metadata.delivery_tables import destination_lag

_MOST_REASON = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """One destination's.

    Attributes:
        since: When it was first found not to be level.
        lasted: For how long by now, by the database's clock.
        told: Whether people were told.
    """

    since: datetime
    lasted: timedelta
    told: bool


def find_lags(connection: Connection, pipeline: str) -> dict[str, Lag]:
    """By destination, those of a pipeline that are not level."""
    table = destination_lag
    lasted = func.clock_timestamp() - table.c.since
    query = select(
        table.c.destination, table.c.since, lasted.label("lasted"), table.c.told_at.is_not(None).label("told")
    )
    rows = connection.execute(query.where(table.c.pipeline == pipeline))
    return {row.destination: Lag(since=row.since, lasted=row.lasted, told=row.told) for row in rows}


def note_lag(connection: Connection, pipeline: str, destination: str, reason: str) -> None:
    """Record that one is not level; of one that was not before, only the reason may be another."""
    row = {"pipeline": pipeline, "destination": destination, "reason": reason[:_MOST_REASON]}
    statement = upsert(destination_lag).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["pipeline", "destination"], set_={"reason": statement.excluded.reason}
        )
    )


def note_told(connection: Connection, pipeline: str, destination: str) -> None:
    """Record that people know of it."""
    connection.execute(
        update(destination_lag).where(*_one(pipeline, destination)).values(told_at=func.clock_timestamp())
    )


def end_lag(connection: Connection, pipeline: str, destination: str) -> None:
    """It is level again."""
    connection.execute(delete(destination_lag).where(*_one(pipeline, destination)))


def end_others(connection: Connection, pipeline: str, destinations: Collection[str]) -> None:
    """Those that the pipeline's file does not name any more lag behind nothing."""
    table = destination_lag
    gone = table.c.destination.not_in(list(destinations))
    connection.execute(delete(table).where(table.c.pipeline == pipeline, gone))


def _one(pipeline: str, destination: str) -> tuple[Any, Any]:
    return destination_lag.c.pipeline == pipeline, destination_lag.c.destination == destination
