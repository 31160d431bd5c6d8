"""The tables that say which lineage events which destination has taken, and which push destinations lag behind."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, Table, Text, func

from mlcore.metadata.tables import metadata

delivery = Table(
    "delivery",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("subject", Text, primary_key=True),  # execution or move
    Column("subject_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("refused", Text),  # why the destination will never take it; none: it has
    Column("delivered_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("subject IN ('execution', 'move')", name="subject_known"),
)
"""One row an event; of subjects that are wholly delivered and below the mark there are none."""
delivery_mark = Table(
    "delivery_mark",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("below", BigInteger, nullable=False),
)
"""Up to this id everything of a pipeline is delivered."""
destination_lag = Table(
    "destination_lag",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("reason", Text, nullable=False),
    Column("told_at", DateTime(timezone=True)),  # none: nobody could be told yet
)
"""One row a push destination that is not level with the registry."""
