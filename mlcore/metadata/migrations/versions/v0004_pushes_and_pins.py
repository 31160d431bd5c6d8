"""What became of every push, and which champions are pinned: histories that are only added to."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = """
CREATE TABLE push_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    pipeline TEXT NOT NULL,
    version INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT NOT NULL,
    pushed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(pipeline, version) REFERENCES model_version (pipeline, version),
    CONSTRAINT outcome_known CHECK (outcome IN ('PROMOTED', 'UNCHANGED', 'WITHHELD'))
);
CREATE INDEX push_history_by_version ON push_history (pipeline, version, id);
CREATE TABLE pin_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    pipeline TEXT NOT NULL,
    version INTEGER,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    pinned_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(pipeline, version) REFERENCES model_version (pipeline, version)
);
CREATE INDEX pin_history_by_pipeline ON pin_history (pipeline, id);
"""

_RULES = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
"""


def upgrade() -> None:
    op.execute(_TABLES)
    for table in ("push_history", "pin_history"):
        op.execute(_RULES.format(table=table))
