"""Where something else than time splits rows, a model is evaluated on the spans it was trained on."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_REGISTRY = """
ALTER TABLE model_version DROP CONSTRAINT evaluated_after_training;
ALTER TABLE model_version ADD CONSTRAINT evaluated_after_training
    CHECK (train_start < train_end AND train_end <= window_end);
"""


def upgrade() -> None:
    op.execute(_REGISTRY)
