"""Beginning and publishing executions, each as one function: one round trip, and plans that the server keeps."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

_BEGIN = """
CREATE FUNCTION mlcore_context(of_type TEXT, called TEXT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    found BIGINT;
BEGIN
    SELECT id INTO found FROM context WHERE type = of_type AND name = called;
    IF found IS NULL THEN
        INSERT INTO context (type, name) VALUES (of_type, called) ON CONFLICT ON CONSTRAINT context_name DO NOTHING;
        SELECT id INTO found FROM context WHERE type = of_type AND name = called;
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION mlcore_begin(given JSONB, as_state TEXT)
RETURNS TABLE (made BIGINT, began TIMESTAMPTZ, ended TIMESTAMPTZ) LANGUAGE plpgsql AS $$
DECLARE
    one JSONB;
    dead BIGINT[];
BEGIN
    IF as_state = 'RUNNING' THEN
        WITH closed AS (
            UPDATE execution SET state = 'CANCELED', error = 'its process died', finished_at = clock_timestamp()
            WHERE fingerprint = ANY(ARRAY(SELECT value->>'fingerprint' FROM jsonb_array_elements(given)))
                AND state IN ('NEW', 'RUNNING')
            RETURNING id
        )
        SELECT array_agg(id) INTO dead FROM closed;
        IF dead IS NOT NULL THEN
            UPDATE artifact SET state = 'ABANDONED' WHERE state = 'PENDING' AND id IN (
                SELECT artifact_id FROM event WHERE execution_id = ANY(dead));
        END IF;
    END IF;
    FOR one IN SELECT value FROM jsonb_array_elements(given) LOOP
        INSERT INTO execution (component, pipeline, run, fingerprint, state, parameters, origin, finished_at)
        VALUES (one->>'component', one->>'pipeline', one->>'run', one->>'fingerprint', as_state, one->'parameters',
            one->'origin', CASE WHEN as_state = 'RUNNING' THEN NULL ELSE clock_timestamp() END)
        RETURNING id, started_at, finished_at INTO made, began, ended;
        INSERT INTO event (execution_id, artifact_id, type, key, index)
        SELECT made, input.value::bigint, 'INPUT', inputs.key, input.ordinality - 1
        FROM jsonb_each(one->'inputs') inputs, jsonb_array_elements_text(inputs.value) WITH ORDINALITY input;
        INSERT INTO association (context_id, execution_id) VALUES
            (mlcore_context('pipeline', one->>'pipeline'), made),
            (mlcore_context('run', (one->>'pipeline') || '/' || (one->>'run')), made);
        RETURN NEXT;
    END LOOP;
END $$;
"""

# Class ML is nobody else's: PostgreSQL's own codes of classes I to Z are free for applications.
_PUBLISH = """
CREATE FUNCTION mlcore_publish(given JSONB)
RETURNS TABLE (made BIGINT, created TIMESTAMPTZ) LANGUAGE plpgsql AS $$
DECLARE
    one JSONB;
    output JSONB;
    wanted BIGINT[];
    closed BIGINT;
    findable BIGINT;
    cached BIGINT;
BEGIN
    FOR one IN SELECT value FROM jsonb_array_elements(given) LOOP
        FOR output IN SELECT value FROM jsonb_array_elements(one->'outputs') LOOP
            INSERT INTO artifact (type, uri, digest, pipeline, state, span_start, span_end, properties)
            VALUES (output->>'type', output->>'uri', output->>'digest', output->>'pipeline', 'LIVE',
                (output->>'span_start')::timestamptz, (output->>'span_end')::timestamptz, output->'properties')
            RETURNING id, created_at INTO made, created;
            INSERT INTO event (execution_id, artifact_id, type, key, index)
            VALUES ((one->>'execution')::bigint, made, 'OUTPUT', output->>'key', (output->>'index')::integer);
            INSERT INTO attribution (context_id, artifact_id)
            SELECT context_id, made FROM association WHERE execution_id = (one->>'execution')::bigint;
            RETURN NEXT;
        END LOOP;
    END LOOP;
    SELECT array_agg(DISTINCT (value->>'execution')::bigint) INTO wanted FROM jsonb_array_elements(given);
    UPDATE execution SET state = 'COMPLETE', finished_at = clock_timestamp()
    WHERE id = ANY(wanted) AND state = 'RUNNING';
    GET DIAGNOSTICS closed = ROW_COUNT;
    IF closed <> cardinality(wanted) THEN
        RAISE EXCEPTION 'an execution is not running' USING ERRCODE = 'ML001', DETAIL = (
            SELECT min(asked.id) FROM unnest(wanted) asked(id) JOIN execution USING (id)
            WHERE execution.state <> 'COMPLETE' OR execution.finished_at < statement_timestamp());
    END IF;
    SELECT count(*) INTO findable FROM execution WHERE id = ANY(wanted) AND fingerprint IS NOT NULL;
    INSERT INTO execution_cache (fingerprint, execution_id)
    SELECT fingerprint, id FROM execution WHERE id = ANY(wanted) AND fingerprint IS NOT NULL ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO NOTHING;
    GET DIAGNOSTICS cached = ROW_COUNT;
    IF cached <> findable THEN
        RAISE EXCEPTION 'an equal execution was first' USING ERRCODE = 'ML002', DETAIL = (
            SELECT min(cache.execution_id) FROM execution_cache cache JOIN execution USING (fingerprint)
            WHERE execution.id = ANY(wanted) AND cache.execution_id <> execution.id);
    END IF;
END $$;
"""


def upgrade() -> None:
    op.execute(_BEGIN)
    op.execute(_PUBLISH)
