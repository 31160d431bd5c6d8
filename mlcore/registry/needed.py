"""What the registry needs of a pipeline's outputs, and what of the rest is old: what ``mlcore gc`` may remove."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from mlcore.metadata.locks import lock_key
from mlcore.metadata.writes import reuse_key
from mlcore.registry import rows
from mlcore.registry.records import Verdict

# A version needs what it is served, monitored and rebuilt with: its model, evaluation, schema and verdicts, and what
# those were made from, each with its equals: what was removed and made again takes the place of what it was registered
# with. What they were only compared with (an earlier champion, an earlier version of a span) is needed by no one but
# that comparison, which is done; else every champion would keep all champions before it.
# The model that a trainer went on from is another matter: without it the version cannot be made again. Of so many
# generations as are asked for, all but the oldest are kept with what they were made from, the oldest as it is.
# What a person said of a model stays for good: no run makes that again.
_ONLY_COMPARED = ("baseline", "champion", "champion_predictions", "statistics_before", "reference_before")
_REMOVABLE = text("""
WITH RECURSIVE versions AS (
    SELECT * FROM model_version WHERE pipeline = :pipeline AND version = ANY(:versions)
), held AS (
    SELECT again.id, again.type FROM versions
    JOIN artifact named ON named.id IN (versions.artifact_id, versions.evaluation_id, versions.schema_id)
    JOIN artifact again ON (again.pipeline, again.type, again.digest) = (named.pipeline, named.type, named.digest)
), needed(id, generation) AS (
    (
        SELECT held.id, 0 FROM held
      UNION
        SELECT said.artifact_id, 0 FROM event model JOIN execution verdict ON verdict.id = model.execution_id
            AND verdict.component IN ('Pusher', 'InfraValidator', 'Approval', 'ChallengerEvaluator')
        JOIN event said ON said.execution_id = verdict.id AND said.type = 'OUTPUT'
        WHERE model.type = 'INPUT' AND model.artifact_id IN (SELECT id FROM held WHERE type = 'Model')
    )
  UNION
    SELECT made_of.artifact_id, needed.generation + started::int FROM needed
    JOIN event made ON made.artifact_id = needed.id AND made.type = 'OUTPUT'
    JOIN event made_of ON made_of.execution_id = made.execution_id AND made_of.type = 'INPUT'
    JOIN execution maker ON maker.id = made.execution_id
    CROSS JOIN LATERAL (SELECT maker.component = 'Trainer' AND made_of.key = 'champion' AS started) said
    WHERE (needed.generation = 0 OR needed.generation < :keep_ancestors) AND (
        made_of.key <> ALL(:compared) OR (started AND needed.generation < :keep_ancestors)
    )
), runs AS (
    SELECT run, max(id) AS last, bool_or(state IN ('NEW', 'RUNNING')) AS running, CASE
        WHEN bool_or(component = 'DriftMonitor') THEN 'monitoring'
        WHEN bool_or(component = 'BulkInferrer') THEN 'inference'
        WHEN bool_or(component = 'OneShotInferrer') THEN 'predict'
        WHEN bool_or(component = 'ModelImporter') THEN 'import'
        ELSE 'retraining' END AS kind
    FROM execution WHERE pipeline = :pipeline GROUP BY run
), kept_runs AS (
    SELECT run FROM (
        SELECT run, running, row_number() OVER (PARTITION BY kind ORDER BY last DESC) AS place FROM runs
    ) placed WHERE running OR place <= :keep_runs
), used AS (
    SELECT event.artifact_id FROM event JOIN execution ON execution.id = event.execution_id
    WHERE execution.pipeline = :pipeline
        AND (execution.started_at >= :since OR execution.run IN (SELECT run FROM kept_runs))
)
SELECT made.execution_id, array_agg(artifact.id ORDER BY artifact.id) AS artifacts, min(artifact.uri) AS uri,
    min(artifact.type) AS type
FROM artifact JOIN event made ON made.artifact_id = artifact.id AND made.type = 'OUTPUT'
JOIN execution maker ON maker.id = made.execution_id AND maker.component <> 'Approval'
WHERE artifact.pipeline = :pipeline AND artifact.state = 'LIVE'
GROUP BY made.execution_id
HAVING bool_and(artifact.uri NOT LIKE '/%' AND artifact.uri NOT LIKE '%://%')
    AND bool_and(artifact.id NOT IN (SELECT id FROM needed) AND artifact.id NOT IN (SELECT artifact_id FROM used))
ORDER BY made.execution_id
""")
_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Removable:
    """The outputs of one execution, which go together: they lie in one folder.

    Attributes:
        prefix: The folder, relative to the artifact store.
        type: Of its outputs, or one of them.
    """

    execution_id: int
    artifacts: tuple[int, ...]
    prefix: str
    type: str


def needed_versions(connection: Connection, pipeline: str, *, keep_champions: int) -> frozenset[int]:
    """The champion, those that it may be rolled back to, those with an alias or a pin, those that wait for approval."""
    chain = rows.champion_reign(connection, pipeline).champions[-1 - keep_champions :]
    pin = rows.pin(connection, pipeline)
    waiting = connection.scalars(
        text("""
            SELECT version FROM model_version JOIN (
                SELECT DISTINCT ON (digest) digest, verdict FROM approval_history
                WHERE pipeline = :pipeline ORDER BY digest, id DESC
            ) said USING (digest) WHERE pipeline = :pipeline AND verdict = :requested
        """),
        {"pipeline": pipeline, "requested": Verdict.REQUESTED.value},
    )
    return frozenset({*chain, *rows.placed(connection, pipeline).values(), *waiting, *({pin.version} if pin else ())})


def removable(
    connection: Connection, pipeline: str, *, since: datetime, keep_runs: int, keep_champions: int, keep_ancestors: int
) -> tuple[Removable, ...]:
    """What nothing needs, in a transaction in which nobody moves an alias, pins, or reuses an earlier output.

    Args:
        connection: The transaction.
        pipeline: Whose outputs.
        since: What an execution that began since then made, reused or read is kept.
        keep_runs: So is what the newest runs used, so many of each kind of graph, of ``mlcore predict`` and of imports;
            and what a run used that has a running execution.
        keep_champions: How many champions before the present one are needed.
        keep_ancestors: How many generations of models that a needed version's trainer went on from are, too.
    """
    rows.serialize(connection, pipeline)
    connection.execute(_LOCK, {"key": lock_key(reuse_key(pipeline))})
    found = connection.execute(
        _REMOVABLE,
        {
            "pipeline": pipeline,
            "versions": sorted(needed_versions(connection, pipeline, keep_champions=keep_champions)),
            "compared": list(_ONLY_COMPARED),
            "keep_ancestors": keep_ancestors,
            "keep_runs": keep_runs,
            "since": since,
        },
    )
    return tuple(
        Removable(
            execution_id=row.execution_id,
            artifacts=tuple(row.artifacts),
            prefix=row.uri.rsplit("/", 1)[0],
            type=row.type,
        )
        for row in found
    )
