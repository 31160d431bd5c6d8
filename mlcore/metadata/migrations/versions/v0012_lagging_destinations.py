"""Which push destinations are not level with the registry, and whether people were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "destination_lag",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True)),
    )
