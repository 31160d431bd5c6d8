"""The first tables, and the rules that the database itself keeps. Frozen: what changed since is in later versions."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_TABLES = """
CREATE TABLE artifact (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    type TEXT NOT NULL,
    uri TEXT NOT NULL,
    digest TEXT,
    pipeline TEXT NOT NULL,
    state TEXT NOT NULL,
    span_start TIMESTAMP WITH TIME ZONE,
    span_end TIMESTAMP WITH TIME ZONE,
    properties JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('PENDING', 'LIVE', 'ABANDONED', 'DELETED')),
    CONSTRAINT live_has_digest CHECK (state <> 'LIVE' OR digest IS NOT NULL),
    CONSTRAINT span_is_whole CHECK ((span_start IS NULL) = (span_end IS NULL) AND span_start < span_end)
);
CREATE INDEX artifact_by_type ON artifact (pipeline, type, id);
CREATE INDEX artifact_by_uri ON artifact (uri);
CREATE UNIQUE INDEX one_record_a_source_version ON artifact (pipeline, uri, digest) WHERE type = 'SourceFile';
CREATE TABLE context (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT context_name UNIQUE (type, name)
);
CREATE TABLE execution (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    component TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    run TEXT NOT NULL,
    fingerprint TEXT,
    state TEXT NOT NULL,
    parameters JSONB DEFAULT '{}' NOT NULL,
    origin JSONB DEFAULT '{}' NOT NULL,
    error TEXT,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT state_known CHECK (state IN ('NEW', 'RUNNING', 'COMPLETE', 'CACHED', 'FAILED', 'CANCELED')),
    CONSTRAINT finished_has_time CHECK ((state IN ('NEW', 'RUNNING')) = (finished_at IS NULL))
);
CREATE INDEX execution_by_fingerprint ON execution (fingerprint);
CREATE INDEX execution_by_run ON execution (pipeline, run, id);
CREATE INDEX execution_under_way ON execution (state) WHERE state IN ('NEW', 'RUNNING');
CREATE TABLE association (
    context_id BIGINT NOT NULL,
    execution_id BIGINT NOT NULL,
    PRIMARY KEY (context_id, execution_id),
    FOREIGN KEY(context_id) REFERENCES context (id),
    FOREIGN KEY(execution_id) REFERENCES execution (id)
);
CREATE TABLE attribution (
    context_id BIGINT NOT NULL,
    artifact_id BIGINT NOT NULL,
    PRIMARY KEY (context_id, artifact_id),
    FOREIGN KEY(context_id) REFERENCES context (id),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id)
);
CREATE TABLE event (
    execution_id BIGINT NOT NULL,
    artifact_id BIGINT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    index INTEGER NOT NULL,
    PRIMARY KEY (execution_id, artifact_id, type, key),
    CONSTRAINT type_known CHECK (type IN ('INPUT', 'OUTPUT', 'CACHED_OUTPUT')),
    FOREIGN KEY(execution_id) REFERENCES execution (id),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id)
);
CREATE INDEX event_by_artifact ON event (artifact_id, type);
CREATE UNIQUE INDEX one_producer ON event (artifact_id) WHERE type = 'OUTPUT';
CREATE TABLE execution_cache (
    fingerprint TEXT NOT NULL,
    execution_id BIGINT NOT NULL,
    PRIMARY KEY (fingerprint),
    FOREIGN KEY(execution_id) REFERENCES execution (id)
);
CREATE TABLE model_version (
    pipeline TEXT NOT NULL,
    version INTEGER NOT NULL,
    artifact_id BIGINT NOT NULL,
    evaluation_id BIGINT NOT NULL,
    digest TEXT NOT NULL,
    train_start TIMESTAMP WITH TIME ZONE NOT NULL,
    train_end TIMESTAMP WITH TIME ZONE NOT NULL,
    window_end TIMESTAMP WITH TIME ZONE NOT NULL,
    run TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (pipeline, version),
    CONSTRAINT one_version_a_digest UNIQUE (pipeline, digest),
    CONSTRAINT versions_count_from_one CHECK (version > 0),
    CONSTRAINT evaluated_after_training CHECK (train_start < train_end AND train_end < window_end),
    FOREIGN KEY(artifact_id) REFERENCES artifact (id),
    FOREIGN KEY(evaluation_id) REFERENCES artifact (id)
);
CREATE TABLE alias (
    pipeline TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (pipeline, alias),
    FOREIGN KEY(pipeline, version) REFERENCES model_version (pipeline, version),
    CONSTRAINT aliases_are_lower_case CHECK (alias = lower(alias))
);
CREATE TABLE alias_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    pipeline TEXT NOT NULL,
    alias TEXT NOT NULL,
    from_version INTEGER,
    to_version INTEGER NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    evidence JSONB DEFAULT '{}' NOT NULL,
    moved_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(pipeline, to_version) REFERENCES model_version (pipeline, version)
);
"""

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
    op.execute(_TABLES)
    op.execute(_RULES)
