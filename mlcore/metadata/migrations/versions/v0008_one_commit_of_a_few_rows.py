"""A publication writes what nobody else says: contexts follow from the executions, and are views of them.

Every statement here is planned once a connection, and finds rows by their keys also where the tables were small then:
hence no ``seqscan``. ``finished_at IS NULL`` stands for "under way" (a constraint says so): asked for the state, the
planner takes the index of those under way, which has an entry of every execution since the last vacuum.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_CONTEXTS = """
DROP FUNCTION mlcore_begin, mlcore_publish, mlcore_context;
DROP TABLE association, attribution, context;
CREATE VIEW context AS
    SELECT DISTINCT 'pipeline' AS type, pipeline AS name FROM execution
    UNION ALL SELECT DISTINCT 'run', pipeline || '/' || run FROM execution;
CREATE VIEW association AS
    SELECT 'pipeline' AS type, pipeline AS name, id AS execution_id FROM execution
    UNION ALL SELECT 'run', pipeline || '/' || run, id FROM execution;
CREATE VIEW attribution AS
    SELECT association.type, association.name, event.artifact_id
    FROM association JOIN event USING (execution_id) WHERE event.type = 'OUTPUT';
"""

_BEGIN = """
CREATE FUNCTION mlcore_begin(given JSONB, as_state TEXT)
RETURNS TABLE (made BIGINT, began TIMESTAMPTZ, ended TIMESTAMPTZ) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    dead BIGINT[];
BEGIN
    IF as_state = 'RUNNING' THEN
        WITH closed AS (
            UPDATE execution SET state = 'CANCELED', error = 'its process died', finished_at = clock_timestamp()
            WHERE finished_at IS NULL
                AND fingerprint = ANY(ARRAY(SELECT value->>'fingerprint' FROM jsonb_array_elements(given)))
            RETURNING id
        )
        SELECT array_agg(id) INTO dead FROM closed;
        IF dead IS NOT NULL THEN
            UPDATE artifact SET state = 'ABANDONED' WHERE state = 'PENDING' AND id IN (
                SELECT artifact_id FROM event WHERE execution_id = ANY(dead));
        END IF;
    END IF;
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT nextval('execution_id_seq') AS id, value AS of FROM jsonb_array_elements(given)
    ), begun AS (
        INSERT INTO execution (id, component, pipeline, run, fingerprint, state, parameters, origin, finished_at)
        OVERRIDING SYSTEM VALUE
        SELECT id, of->>'component', of->>'pipeline', of->>'run', of->>'fingerprint', as_state, of->'parameters',
            of->'origin', CASE WHEN as_state = 'RUNNING' THEN NULL ELSE clock_timestamp() END
        FROM new
        RETURNING id, started_at, finished_at
    ), read AS (
        INSERT INTO event (execution_id, artifact_id, type, key, index)
        SELECT new.id, input.value::bigint, 'INPUT', inputs.key, input.ordinality - 1
        FROM new, jsonb_each(new.of->'inputs') inputs,
            jsonb_array_elements_text(inputs.value) WITH ORDINALITY input
    )
    SELECT id, started_at, finished_at FROM begun;
END $$;
"""

# Class ML is nobody else's: PostgreSQL's own codes of classes I to Z are free for applications.
_PUBLISH = """
CREATE FUNCTION mlcore_publish(given JSONB)
RETURNS TABLE (made BIGINT, created TIMESTAMPTZ) LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    one BIGINT;
    key TEXT;
    keys TEXT[];
    ids BIGINT[];
    cached BIGINT;
BEGIN
    FOR one IN SELECT (value->>'execution')::bigint FROM jsonb_array_elements(given) LOOP
        UPDATE execution SET state = 'COMPLETE', finished_at = clock_timestamp()
        WHERE id = one AND finished_at IS NULL
        RETURNING fingerprint INTO key;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'an execution is not running' USING ERRCODE = 'ML001', DETAIL = one;
        END IF;
        IF key IS NOT NULL THEN
            keys := keys || key;
            ids := ids || one;
        END IF;
    END LOOP;
    -- In one order for everybody: whoever publishes an equal one is waited for, and nobody in a ring.
    INSERT INTO execution_cache (fingerprint, execution_id)
    SELECT * FROM unnest(keys, ids) found(fingerprint, execution_id) ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO NOTHING;
    GET DIAGNOSTICS cached = ROW_COUNT;
    IF cached < cardinality(keys) THEN
        RAISE EXCEPTION 'an equal execution was first' USING ERRCODE = 'ML002', DETAIL = (
            SELECT min(execution_id) FROM execution_cache
            WHERE fingerprint = ANY(keys) AND execution_id <> ALL(ids));
    END IF;
    RETURN QUERY
    WITH new AS MATERIALIZED (
        SELECT nextval('artifact_id_seq') AS id, publication.value AS by, output.value AS of
        FROM jsonb_array_elements(given) publication, jsonb_array_elements(publication.value->'outputs') output
    ), published AS (
        INSERT INTO artifact (id, type, uri, digest, pipeline, state, span_start, span_end, properties)
        OVERRIDING SYSTEM VALUE
        SELECT id, of->>'type', of->>'uri', of->>'digest', of->>'pipeline', 'LIVE',
            (of->>'span_start')::timestamptz, (of->>'span_end')::timestamptz, of->'properties'
        FROM new
        RETURNING id, created_at
    ), written AS (
        INSERT INTO event (execution_id, artifact_id, type, key, index)
        SELECT (by->>'execution')::bigint, id, 'OUTPUT', of->>'key', (of->>'index')::integer FROM new
    )
    SELECT id, created_at FROM published;
END $$;
"""


def upgrade() -> None:
    for statements in (_CONTEXTS, _BEGIN, _PUBLISH):
        op.execute(statements)
