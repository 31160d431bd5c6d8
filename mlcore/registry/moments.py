"""Who was champion at a moment: what a run that predicts as of then predicts with."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from mlcore.metadata.registry_tables import alias_history, model_version
from mlcore.registry import rows
from mlcore.registry.names import CHAMPION
from mlcore.registry.records import ModelVersion


def champion_at(connection: Connection, pipeline: str, *, as_of: datetime, mature: datetime) -> ModelVersion | None:
    """The champion of a moment: who was it then, or in a replayed past who would have been.

    Where aliases were moved before the moment, it is the version that the champion alias was at. A past in which
    nothing was released, which is replayed later, has the version that was made champion last of those that could be
    known. A version that a person took the alias from is never it: what is predicted again is predicted without it.

    Args:
        connection: To the store.
        pipeline: Whose champion.
        as_of: The moment.
        mature: Up to here labels were known by then: no version counts that was judged on later rows.
    """
    reign = rows.champion_reign(connection, pipeline)
    query = (
        select(alias_history.c.moved_at, model_version)
        .join(
            model_version,
            (model_version.c.pipeline == alias_history.c.pipeline)
            & (model_version.c.version == alias_history.c.to_version),
        )
        .where(alias_history.c.pipeline == pipeline, alias_history.c.alias == CHAMPION)
        .where(alias_history.c.to_version.in_(reign.champions), model_version.c.window_end <= mature)
        .order_by(alias_history.c.id)
    )
    moves = connection.execute(query).all()
    by_then = [move for move in moves if move.moved_at <= as_of] or moves
    return rows.record(ModelVersion, by_then[-1]) if by_then else None
