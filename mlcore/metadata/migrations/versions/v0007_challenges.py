"""Challengers that are compared with the champion before they take its place: every look, and a push that began one."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLES = """
ALTER TABLE push_history DROP CONSTRAINT outcome_known;
ALTER TABLE push_history ADD CONSTRAINT outcome_known
    CHECK (outcome IN ('PROMOTED', 'UNCHANGED', 'WITHHELD', 'PENDING', 'CHALLENGER'));

CREATE TABLE challenge_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    pipeline TEXT NOT NULL,
    move_id BIGINT NOT NULL,
    challenger INTEGER NOT NULL,
    champion INTEGER NOT NULL,
    look INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    rows BIGINT NOT NULL,
    spent DOUBLE PRECISION NOT NULL,
    artifact_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    run TEXT NOT NULL,
    looked_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(move_id) REFERENCES alias_history (id),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id),
    FOREIGN KEY(pipeline, challenger) REFERENCES model_version (pipeline, version),
    FOREIGN KEY(pipeline, champion) REFERENCES model_version (pipeline, version),
    CONSTRAINT look_verdict_known CHECK (verdict IN ('CONTINUED', 'PASSED', 'REFUSED')),
    CONSTRAINT looks_count_from_one CHECK (look > 0),
    CONSTRAINT nobody_challenges_itself CHECK (challenger <> champion),
    CONSTRAINT spent_is_a_share CHECK (spent >= 0 AND spent <= 1),
    CONSTRAINT one_look_a_number UNIQUE (move_id, champion, look),
    CONSTRAINT one_look_a_moment UNIQUE (move_id, champion, until)
);
CREATE INDEX challenge_history_by_pipeline ON challenge_history (pipeline, id);
"""

_RULES = """
CREATE TRIGGER challenge_history_append_only BEFORE UPDATE OR DELETE ON challenge_history
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER challenge_history_not_emptied BEFORE TRUNCATE ON challenge_history
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RULES)
