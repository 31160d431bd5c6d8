"""Which lineage events which destination has taken."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = max(path.name[1:5] for path in Path(__file__).parent.glob("v000[0-8]_*.py"))


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("subject_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("refused", sa.Text),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.CheckConstraint("subject IN ('execution', 'move')", name="subject_known"),
    )
    op.create_table(
        "delivery_mark",
        sa.Column("pipeline", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("below", sa.BigInteger, nullable=False),
    )
