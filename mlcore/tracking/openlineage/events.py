"""An execution, or a move of an alias, to the events that OpenLineage has for it.

Every event follows from what is recorded alone: told again it is the same, under the same id of its run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mlcore import __version__
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactType, Execution, ExecutionState, Json
from mlcore.core.window import EPOCH, iso, parse_moment
from mlcore.registry.records import AliasMove, ModelVersion, PushRecord
from mlcore.tracking.mapping import node_of
from mlcore.tracking.openlineage.contents import (
    about_artifacts,
    about_content,
    bounded,
    rows_of,
    schema_of,
    statistics_of,
    storage_of,
    words,
)
from mlcore.tracking.openlineage.facets import EVENT_SCHEMA, PRODUCER, FacetMaker, Facets
from mlcore.tracking.openlineage.ids import airflow_run_id, static_uuid
from mlcore.tracking.openlineage.names import DatasetName, SourceData, alias_name, artifact_name, below, version_of
from mlcore.tracking.openlineage.records import (
    ENDS,
    Artifacts,
    Event,
    EventKey,
    EventKind,
    ExecutionFacts,
    MoveFacts,
    Subject,
)
from mlcore.tracking.server import masked

_MOST_ERROR = 2_000
_PROFILED = {
    ArtifactType.STATISTICS: ArtifactType.EXAMPLES,
    ArtifactType.SERVING_STATISTICS: ArtifactType.SERVING_EXAMPLES,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Teller:
    """Tells a pipeline's happenings as events.

    Attributes:
        config: The pipeline.
        store: Where the artifact store is.
        source: What a recorded source file is of.
        folder: The place of an artifact's files; ``None`` where nothing is to be read.
        candidates: By artifact, whose it is, where several models are trained.
        namespace: Of our jobs.
        airflow_namespace: Of Airflow's.
        facet: Makes the facets.
    """

    config: PipelineConfig
    store: DatasetName
    source: Callable[[Artifact], SourceData]
    folder: Callable[[Artifact], Path] | None
    candidates: Mapping[int, str] = field(default_factory=dict)
    namespace: str = "mlcore"
    airflow_namespace: str = "default"
    facet: FacetMaker = field(default_factory=FacetMaker)

    def of_execution(self, facts: ExecutionFacts) -> Iterator[Event]:
        """START, and where it has ended what it came to."""
        execution = facts.execution
        yield self._of_execution(facts, EventKind.START, execution.started_at)
        if execution.finished_at is not None:
            ended = max(execution.started_at, execution.finished_at)  # whatever a clock that was set back says
            yield self._of_execution(facts, ENDS[execution.state], ended)

    def of_move(self, facts: MoveFacts) -> Iterator[Event]:
        """START and COMPLETE, at the moment of the move."""
        for kind in (EventKind.START, EventKind.COMPLETE):
            yield self._of_move(facts, kind)

    def _of_execution(self, facts: ExecutionFacts, kind: EventKind, moment: datetime) -> Event:
        execution = facts.execution
        run = {**self._parent(execution), **self._about(execution, kind), **self._engine()}
        if kind in (EventKind.FAIL, EventKind.ABORT):
            message = bounded(masked(execution.error or "no reason was recorded"), _MOST_ERROR)
            run |= self.facet("errorMessage", message=message, programmingLanguage="PYTHON")
        ended = kind is EventKind.COMPLETE
        return Event(
            key=EventKey(Subject.EXECUTION, execution.id, kind),
            moment=moment,
            document=self._document(
                kind,
                moment,
                run={"runId": self.run_id(execution), "facets": run},
                job=self.job_of(execution),
                inputs=self._inputs(facts, ended=ended),
                outputs=self._outputs(facts) if ended else [],
            ),
        )

    def _of_move(self, facts: MoveFacts, kind: EventKind) -> Event:
        move, pipeline = facts.move, self.config.name
        identity = f"{self.namespace}.{pipeline}.move.{move.id}"
        run = {
            **(self._child_of(facts.pusher) if facts.pusher else {}),
            **self._alias(move),
            **self._engine(),
        }
        inputs: list[Json] = []
        outputs: list[Json] = []
        if facts.model is not None and facts.version is not None:
            content = self._version(facts.version)
            inputs = [self._dataset([facts.model], content)]
            target = alias_name(self.store, pipeline, move.alias)
            named = self.facet("version", datasetVersion=facts.version.digest)
            outputs = [_json(target, facets={**named, **content})]
        return Event(
            key=EventKey(Subject.MOVE, move.id, kind),
            moment=move.moved_at,
            document=self._document(
                kind,
                move.moved_at,
                run={"runId": static_uuid(move.moved_at, identity), "facets": run},
                job=f"{pipeline}.alias.{move.alias}",
                inputs=inputs,
                outputs=outputs if kind is EventKind.COMPLETE else [],
            ),
        )

    def run_id(self, execution: Execution) -> str:
        """Always the same of an execution, and no other's: not that of another installation either."""
        identity = f"{self.namespace}.{execution.pipeline}.execution.{execution.id}"
        return static_uuid(execution.started_at, identity)

    def job_of(self, execution: Execution) -> str:
        """``<pipeline>.<node>``; work on one span of many is a job of its own below that."""
        whole = execution.fingerprint is None or "node" in execution.origin
        return f"{execution.pipeline}.{node_of(execution)}{'' if whole else '.span'}"

    def _document(
        self, kind: EventKind, moment: datetime, *, run: Json, job: str, inputs: list[Json], outputs: list[Json]
    ) -> dict[str, Json]:
        return {
            "eventType": kind.value,
            "eventTime": iso(moment),
            "producer": PRODUCER,
            "schemaURL": EVENT_SCHEMA,
            "run": run,
            "job": {"namespace": self.namespace, "name": job, "facets": self._job()},
            "inputs": inputs,
            "outputs": outputs,
        }

    def _job(self) -> Facets:
        found = self.facet("jobType", processingType="BATCH", integration="MLCORE", jobType="TASK")
        if self.config.description:
            found |= self.facet("documentation", description=bounded(self.config.description))
        if self.config.owner:
            found |= self.facet("ownership", owners=[{"name": self.config.owner, "type": "OWNER"}])
        return found

    def _engine(self) -> Facets:
        return self.facet("processing_engine", name="mlcore", version=__version__)

    def _parent(self, execution: Execution) -> Facets:
        """The run that an execution belongs to: that of the DAG, or on the command line ours."""
        origin, as_of = execution.origin, execution.origin.get("as_of")
        moment, dag_id = origin.get("run_moment"), origin.get("dag_id")
        if isinstance(moment, str) and isinstance(dag_id, str):
            cleared = origin.get("clear_number")
            number = cleared if isinstance(cleared, int) else 0
            run_id = airflow_run_id(self.airflow_namespace, dag_id, parse_moment(moment), number)
            return self._below(run_id, self.airflow_namespace, dag_id)
        at = parse_moment(str(as_of)) if as_of else EPOCH
        identity = f"{self.namespace}.{execution.pipeline}.run.{execution.run}"
        return self._below(static_uuid(at, identity), self.namespace, execution.pipeline)

    def _child_of(self, execution: Execution) -> Facets:
        return self._below(self.run_id(execution), self.namespace, self.job_of(execution))

    def _below(self, run_id: str, namespace: str, name: str) -> Facets:
        return self.facet("parent", run={"runId": run_id}, job={"namespace": namespace, "name": name})

    def _about(self, execution: Execution, kind: EventKind) -> Facets:
        """What runs; at its start always as it was then, whenever that is told."""
        origin = execution.origin
        airflow = {key: origin[key] for key in ("dag_id", "run_id", "task_id", "try_number") if key in origin}
        found = self.facet(
            "mlcore_execution",
            id=execution.id,
            component=execution.component,
            pipeline=execution.pipeline,
            run=execution.run,
            state=(ExecutionState.RUNNING if kind is EventKind.START else execution.state).value,
            reused=execution.state is ExecutionState.CACHED,
            fingerprint=execution.fingerprint,
            candidate=execution.parameters.get("candidate"),
            asOf=origin.get("as_of"),
            airflow=dict(airflow) or None,
        )
        if isinstance(origin.get("as_of"), str):
            found |= self.facet("nominalTime", nominalStartTime=origin["as_of"])
        return found

    def _alias(self, move: AliasMove) -> Facets:
        evidence = {
            name: words(value) if isinstance(value, list) and name == "reasons" else value
            for name, value in move.evidence.items()
        }
        return self.facet(
            "mlcore_alias",
            alias=move.alias,
            kind=move.kind.value,
            fromVersion=move.from_version,
            toVersion=move.to_version,
            actor=bounded(move.actor),
            reason=bounded(move.reason),
            evidence=evidence,
        )

    def _version(self, version: ModelVersion) -> Facets:
        return self.facet(
            "mlcore_model",
            digest=version.digest,
            version=version.version,
            trainStart=iso(version.train_start),
            trainEnd=iso(version.train_end),
            windowEnd=iso(version.window_end),
            run=version.run,
        )

    def _inputs(self, facts: ExecutionFacts, *, ended: bool) -> list[Json]:
        datasets = self._grouped(facts.inputs)
        return [
            self._dataset(
                artifacts, self._about_rows(artifacts), inputFacets=self._profile(facts, artifacts, ended=ended)
            )
            for artifacts in datasets.values()
        ]

    def _profile(self, facts: ExecutionFacts, artifacts: Sequence[Artifact], *, ended: bool) -> Facets:
        """The statistics that were made of one span's rows, as a facet of those."""
        made = [one for found in facts.outputs.values() for one in found if one.type in _PROFILED]
        if not ended or self.folder is None or len(made) != 1 or len(artifacts) != 1:
            return {}
        if _PROFILED[made[0].type] is not artifacts[0].type:
            return {}
        return statistics_of(self.facet, made[0], self.folder(made[0]))

    def _outputs(self, facts: ExecutionFacts) -> list[Json]:
        """What was made or reused; what was only passed on is an input, and no output."""
        read = {one.id for found in facts.inputs.values() for one in found}
        made = {key: [one for one in found if one.id not in read] for key, found in facts.outputs.items()}
        return [self._output(facts, artifacts) for artifacts in self._grouped(made).values()]

    def _output(self, facts: ExecutionFacts, artifacts: Sequence[Artifact]) -> Json:
        content = self._about_rows(artifacts)
        if len(artifacts) == 1 and self.folder is not None:
            examples = below(self.store, self.config.name, ArtifactType.EXAMPLES.value)
            content |= about_content(self.facet, artifacts[0], self.folder(artifacts[0]), examples)
        if facts.push is not None and artifacts[0].type is ArtifactType.PUSHED_MODEL:
            content |= self._pushed(facts.push, artifacts[0])
        elif artifacts[0].type is ArtifactType.PUSHED_MODEL:
            content |= self._pushed(None, artifacts[0])
        if facts.execution.state is ExecutionState.COMPLETE:
            content |= self.facet("lifecycleStateChange", lifecycleStateChange="CREATE")
        rows = rows_of(artifacts)
        written = {} if rows is None else self.facet("outputStatistics", rowCount=rows)
        return self._dataset(artifacts, content, outputFacets=written)

    def _pushed(self, push: PushRecord | None, artifact: Artifact) -> Facets:
        return self.facet(
            "mlcore_push",
            pushed=artifact.properties.get("pushed") is True,
            verdict=bounded(artifact.properties.get("verdict", "")),
            reasons=words(artifact.properties.get("reasons")),
            version=push.version if push else None,
            outcome=push.outcome.value if push else None,
        )

    def _about_rows(self, artifacts: Sequence[Artifact]) -> Facets:
        """The columns of what holds rows, as the pipeline's file declares them."""
        given = self._columns(artifacts[0])
        if not given:
            return {}
        docs: dict[str, str] = {}
        for name, feature in self.config.features.items():
            columns = feature.columns_of(name)
            if feature.doc and len(columns) == 1:
                docs[columns[0]] = feature.doc
        return schema_of(self.facet, given, docs)

    def _columns(self, artifact: Artifact) -> Mapping[str, str]:
        match artifact.type:
            case ArtifactType.SOURCE_FILE:
                return self.source(artifact).columns
            case ArtifactType.EXAMPLES:
                return self.config.data.all_columns
            case ArtifactType.INFERENCE_EXAMPLES:
                return self.config.inferring.data.all_columns
            case ArtifactType.SERVING_EXAMPLES if self.config.serving is not None:
                return self.config.serving.data.all_columns
        return {}

    def _grouped(self, artifacts: Artifacts) -> dict[DatasetName, list[Artifact]]:
        """Each artifact once, by its data set, in the order of their names."""
        found: dict[DatasetName, dict[int, Artifact]] = {}
        for key in sorted(artifacts):
            for one in artifacts[key]:
                found.setdefault(self._name(one), {})[one.id] = one
        return {name: list(ones.values()) for name, ones in sorted(found.items())}

    def _name(self, artifact: Artifact) -> DatasetName:
        source = self.source(artifact).name if artifact.type is ArtifactType.SOURCE_FILE else self.store
        return artifact_name(self.store, artifact, source, self.candidates.get(artifact.id, ""))

    def _dataset(self, artifacts: Sequence[Artifact], content: Facets, **further: Facets) -> Json:
        name = self._name(artifacts[0])
        facets = {
            **self.facet("version", datasetVersion=version_of(list(artifacts))),
            **about_artifacts(self.facet, artifacts),
            **storage_of(self.facet, name, artifacts[0].type),
            **content,
        }
        return _json(name, facets=facets, **further)


def _json(name: DatasetName, **facets: Facets) -> Json:
    return {"namespace": name.namespace, "name": name.name, **{key: found for key, found in facets.items() if found}}
