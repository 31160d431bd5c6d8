"""Rules that were the code's alone become the database's: the alias follows its history, what ended does not change."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = """
ALTER TABLE artifact ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE alias_history ADD COLUMN kind TEXT NOT NULL DEFAULT 'PUSH';
ALTER TABLE alias_history ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE alias_history ADD CONSTRAINT kind_known CHECK (kind IN ('PUSH', 'FORCE', 'ROLLBACK'));
CREATE INDEX alias_history_by_alias ON alias_history (pipeline, alias, id);
CREATE INDEX execution_cache_by_execution ON execution_cache (execution_id);
DROP INDEX artifact_by_uri;
CREATE INDEX source_by_uri ON artifact (pipeline, uri) WHERE type = 'SourceFile';
"""

# A source file is the user's: what is recorded of how it was last seen (size, modification time) may change with it.
_ARTIFACTS = """
CREATE OR REPLACE FUNCTION mlcore_artifact_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT (
        (OLD.state = 'PENDING' AND NEW.state IN ('LIVE', 'ABANDONED'))
        OR (OLD.state = 'LIVE' AND NEW.state = 'DELETED')
        OR (OLD.state = 'ABANDONED' AND NEW.state = 'DELETED')
    ) THEN
        RAISE EXCEPTION 'artifact % cannot go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'PENDING' AND (
        (OLD.id, OLD.type, OLD.uri, OLD.digest, OLD.pipeline, OLD.span_start, OLD.span_end, OLD.created_at)
            IS DISTINCT FROM
        (NEW.id, NEW.type, NEW.uri, NEW.digest, NEW.pipeline, NEW.span_start, NEW.span_end, NEW.created_at)
        OR (OLD.type <> 'SourceFile' AND OLD.properties IS DISTINCT FROM NEW.properties)
    ) THEN
        RAISE EXCEPTION 'artifact % is published and cannot change', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION mlcore_forget_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM execution_cache USING event
    WHERE event.artifact_id = NEW.id AND event.type = 'OUTPUT' AND execution_cache.execution_id = event.execution_id;
    RETURN NULL;
END $$;
CREATE TRIGGER artifact_deleted AFTER UPDATE OF state ON artifact
    FOR EACH ROW WHEN (NEW.state = 'DELETED') EXECUTE FUNCTION mlcore_forget_deleted();
"""

_EXECUTIONS = """
CREATE OR REPLACE FUNCTION mlcore_execution_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT (
        (OLD.state = 'NEW' AND NEW.state IN ('RUNNING', 'CANCELED'))
        OR (OLD.state = 'RUNNING' AND NEW.state IN ('COMPLETE', 'FAILED', 'CANCELED'))
    ) THEN
        RAISE EXCEPTION 'execution % cannot go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state NOT IN ('NEW', 'RUNNING') AND OLD IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'execution % has ended and cannot change', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.id, OLD.component, OLD.pipeline, OLD.run, OLD.fingerprint, OLD.parameters, OLD.origin, OLD.started_at)
        IS DISTINCT FROM
       (NEW.id, NEW.component, NEW.pipeline, NEW.run, NEW.fingerprint, NEW.parameters, NEW.origin, NEW.started_at)
    THEN
        RAISE EXCEPTION 'what execution % ran cannot change', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""

# The alias is what the newest row of its history says. Nobody moves it otherwise, and a row that does not start from
# where the alias is was decided on something that is no longer so.
_REGISTRY = """
CREATE FUNCTION mlcore_move_alias() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    present INTEGER;
BEGIN
    SELECT version INTO present FROM alias WHERE pipeline = NEW.pipeline AND alias = NEW.alias FOR UPDATE;
    IF present IS DISTINCT FROM NEW.from_version THEN
        RAISE EXCEPTION 'alias % of % is at version %, not at %', NEW.alias, NEW.pipeline, present, NEW.from_version
            USING ERRCODE = 'serialization_failure';
    END IF;
    IF present IS NULL THEN
        INSERT INTO alias VALUES (NEW.pipeline, NEW.alias, NEW.to_version);
    ELSE
        UPDATE alias SET version = NEW.to_version WHERE pipeline = NEW.pipeline AND alias = NEW.alias;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER alias_history_moves AFTER INSERT ON alias_history FOR EACH ROW EXECUTE FUNCTION mlcore_move_alias();

CREATE FUNCTION mlcore_alias_by_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'an alias moves by a row of alias_history alone' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER alias_by_history AFTER INSERT OR UPDATE OR DELETE ON alias
    FOR EACH ROW EXECUTE FUNCTION mlcore_alias_by_history();

CREATE FUNCTION mlcore_next_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    newest INTEGER;
BEGIN
    SELECT coalesce(max(version), 0) INTO newest FROM model_version WHERE pipeline = NEW.pipeline;
    IF NEW.version <> newest + 1 THEN
        RAISE EXCEPTION 'version % of % does not follow %', NEW.version, NEW.pipeline, newest
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER model_version_next BEFORE INSERT ON model_version
    FOR EACH ROW EXECUTE FUNCTION mlcore_next_version();

CREATE TRIGGER alias_history_not_emptied BEFORE TRUNCATE ON alias_history
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER model_version_not_emptied BEFORE TRUNCATE ON model_version
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER alias_not_emptied BEFORE TRUNCATE ON alias
    FOR EACH STATEMENT EXECUTE FUNCTION mlcore_append_only();
"""


def upgrade() -> None:
    for statements in (_TABLES, _ARTIFACTS, _EXECUTIONS, _REGISTRY):
        op.execute(statements)
