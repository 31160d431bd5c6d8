"""The first tables, and the rules that the database itself keeps.

A frozen copy would say everything twice while there is one version; the next version freezes this one.
"""

from __future__ import annotations

from alembic import op

import mlcore.metadata.registry_tables  # noqa: F401 - registers its tables
from mlcore.metadata.tables import metadata

revision = "0001"
down_revision = None

_RULES = """
CREATE FUNCTION mlcore_artifact_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT (
        (OLD.state = 'PENDING' AND NEW.state IN ('LIVE', 'ABANDONED'))
        OR (OLD.state = 'LIVE' AND NEW.state = 'DELETED')
        OR (OLD.state = 'ABANDONED' AND NEW.state = 'DELETED')
    ) THEN
        RAISE EXCEPTION 'artifact % cannot go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'PENDING' AND (OLD.type, OLD.uri, OLD.digest, OLD.pipeline, OLD.properties)
        IS DISTINCT FROM (NEW.type, NEW.uri, NEW.digest, NEW.pipeline, NEW.properties) THEN
        RAISE EXCEPTION 'artifact % is published and cannot change', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER artifact_rules BEFORE UPDATE ON artifact FOR EACH ROW EXECUTE FUNCTION mlcore_artifact_rules();

CREATE FUNCTION mlcore_execution_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND NOT (
        (OLD.state = 'NEW' AND NEW.state IN ('RUNNING', 'CANCELED'))
        OR (OLD.state = 'RUNNING' AND NEW.state IN ('COMPLETE', 'FAILED', 'CANCELED'))
    ) THEN
        RAISE EXCEPTION 'execution % cannot go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER execution_rules BEFORE UPDATE ON execution FOR EACH ROW EXECUTE FUNCTION mlcore_execution_rules();

CREATE FUNCTION mlcore_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history: rows are only added', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER alias_history_append_only BEFORE UPDATE OR DELETE ON alias_history
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
CREATE TRIGGER model_version_append_only BEFORE UPDATE OR DELETE ON model_version
    FOR EACH ROW EXECUTE FUNCTION mlcore_append_only();
"""


def upgrade() -> None:
    metadata.create_all(op.get_bind())
    op.execute(_RULES)
