"""What ``mlcore gc`` removed, when, and by which policy."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

_TABLES = """
CREATE TABLE removal (
    artifact_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    removed_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (artifact_id),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id)
);
"""

_RULES = """
CREATE TRIGGER removal_append_only BEFORE UPDATE OR DELETE ON removal
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER removal_not_emptied BEFORE TRUNCATE ON removal
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RULES)
