"""Aliases of people's own, a person's approvals, and what a version is restored with: its schema and its settings."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

_TABLES = """
ALTER TABLE model_version ADD COLUMN schema_id BIGINT REFERENCES artifact(id);
ALTER TABLE model_version ADD COLUMN config JSONB DEFAULT '{}' NOT NULL;

ALTER TABLE alias ADD CONSTRAINT alias_is_a_name CHECK (alias ~ '^[a-z][a-z0-9_-]{0,62}$');
ALTER TABLE alias_history ALTER COLUMN to_version DROP NOT NULL;
ALTER TABLE alias_history DROP CONSTRAINT kind_known;
ALTER TABLE alias_history ADD CONSTRAINT kind_known
    CHECK (kind IN ('PUSH', 'FORCE', 'ROLLBACK', 'SET', 'REMOVE'));
ALTER TABLE alias_history ADD CONSTRAINT kind_of_alias
    CHECK ((alias = 'champion') = (kind IN ('PUSH', 'FORCE', 'ROLLBACK')));
ALTER TABLE alias_history ADD CONSTRAINT removed_is_nowhere CHECK ((kind = 'REMOVE') = (to_version IS NULL));
ALTER TABLE alias_history ADD CONSTRAINT alias_is_free
    CHECK (alias NOT IN ('previous', 'latest') AND alias !~ '^v[0-9]+$');
ALTER TABLE alias_history ADD CONSTRAINT alias_history_from_version
    FOREIGN KEY (pipeline, from_version) REFERENCES model_version (pipeline, version);

ALTER TABLE push_history DROP CONSTRAINT outcome_known;
ALTER TABLE push_history ADD CONSTRAINT outcome_known
    CHECK (outcome IN ('PROMOTED', 'UNCHANGED', 'WITHHELD', 'PENDING'));

CREATE TABLE approval_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    pipeline TEXT NOT NULL,
    digest TEXT NOT NULL,
    verdict TEXT NOT NULL,
    artifact_id BIGINT,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    said_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id),
    CONSTRAINT verdict_known CHECK (verdict IN ('REQUESTED', 'APPROVED', 'REJECTED')),
    CONSTRAINT verdict_is_a_blessing CHECK ((verdict = 'REQUESTED') = (artifact_id IS NULL))
);
CREATE INDEX approval_history_by_digest ON approval_history (pipeline, digest, id);
"""

_RULES = """
CREATE TRIGGER approval_history_append_only BEFORE UPDATE OR DELETE ON approval_history
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER approval_history_not_emptied BEFORE TRUNCATE ON approval_history
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();

CREATE OR REPLACE FUNCTION mlcore_move_alias() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present INTEGER;
BEGIN
    SELECT version INTO present FROM alias WHERE pipeline = NEW.pipeline AND alias = NEW.alias FOR UPDATE;
    IF present IS DISTINCT FROM NEW.from_version THEN
        RAISE EXCEPTION 'alias % of % is at version %, not at %', NEW.alias, NEW.pipeline, present, NEW.from_version
            USING ERRCODE = 'serialization_failure';
    END IF;
    IF NEW.to_version IS NULL THEN
        DELETE FROM alias WHERE pipeline = NEW.pipeline AND alias = NEW.alias;
    ELSIF present IS NULL THEN
        INSERT INTO alias VALUES (NEW.pipeline, NEW.alias, NEW.to_version);
    ELSE
        UPDATE alias SET version = NEW.to_version WHERE pipeline = NEW.pipeline AND alias = NEW.alias;
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    op.execute(_TABLES)
    op.execute(_RULES)
