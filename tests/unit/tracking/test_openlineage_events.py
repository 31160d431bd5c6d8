"""Executions and alias moves as events, each valid by what OpenLineage publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from openlineage.client.uuid import generate_static_uuid
from support.openlineage import OWN_SCHEMAS, problems
from support.project import PIPELINE

from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactState, ArtifactType, Execution, ExecutionState, Json
from mlcore.core.window import Span
from mlcore.registry.records import AliasMove, ModelVersion, MoveKind, PushOutcome, PushRecord
from mlcore.tracking.openlineage.events import Teller
from mlcore.tracking.openlineage.facets import OWN, FacetMaker
from mlcore.tracking.openlineage.names import DatasetName, SourceData
from mlcore.tracking.openlineage.records import EventKind, ExecutionFacts, MoveFacts

START = datetime(2024, 1, 10, 6, 0, 1, 2, tzinfo=UTC)
END = START + timedelta(seconds=5)
STORE = DatasetName("s3://lake", "mlcore")


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    path = tmp_path / "tiny.yaml"
    path.write_text(dedent(PIPELINE) + "owner: team\ndescription: what it is\n", encoding="utf-8")
    return load_pipeline(path)


@pytest.fixture
def teller(config: PipelineConfig, tmp_path: Path) -> Teller:
    """Tells of artifacts whose files are gone."""
    return Teller(
        config=config,
        store=STORE,
        source=lambda _: SourceData(DatasetName("file", "/data"), config.data.columns),
        folder=lambda one: tmp_path / str(one.id),
    )


def artifact(number: int, kind: ArtifactType, day: int | None = None, **properties: Json) -> Artifact:
    start = None if day is None else datetime(2024, 1, day, tzinfo=UTC)
    return Artifact(
        id=number,
        type=kind,
        uri=f"tiny/X/{number}",
        digest=f"sha256:{number:064x}",
        pipeline="tiny",
        state=ArtifactState.LIVE,
        created_at=START,
        span=None if start is None else Span(start=start, end=start + timedelta(days=1)),
        properties=properties,
    )


def execution(state: ExecutionState, **changes: Any) -> Execution:
    return replace(
        Execution(
            id=7,
            component="Trainer",
            pipeline="tiny",
            run="r",
            fingerprint=f"sha256:{7:064x}",
            state=state,
            started_at=START,
            finished_at=None if state is ExecutionState.RUNNING else END,
            origin={"node": "trainer", "as_of": "2024-01-10T06:00:00Z", "host": "secret-host", "pid": 1},
        ),
        **changes,
    )


def told(
    teller: Teller,
    one: Execution,
    inputs: Mapping[str, Sequence[Artifact]] | None = None,
    outputs: Mapping[str, Sequence[Artifact]] | None = None,
    push: PushRecord | None = None,
) -> list[dict[str, Any]]:
    facts = ExecutionFacts(execution=one, inputs=inputs or {}, outputs=outputs or {}, push=push)
    return checked(list(teller.of_execution(facts)))


def checked(events: Sequence[Any]) -> list[dict[str, Any]]:
    documents = [json.loads(json.dumps(event.document)) for event in events]
    assert [problems(document) for document in documents] == [[] for _ in documents]
    return documents


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (ExecutionState.RUNNING, ["START"]),
        (ExecutionState.COMPLETE, ["START", "COMPLETE"]),
        (ExecutionState.CACHED, ["START", "COMPLETE"]),
        (ExecutionState.FAILED, ["START", "FAIL"]),
        (ExecutionState.CANCELED, ["START", "ABORT"]),
    ],
)
def test_every_state_has_its_events(teller: Teller, state: ExecutionState, kinds: list[str]) -> None:
    """START, and what it came to; all of one run, always the same, at the moments that are recorded."""
    events = told(teller, execution(state, error="why"))
    assert [one["eventType"] for one in events] == kinds
    assert len({one["run"]["runId"] for one in events}) == 1
    assert [one["eventTime"] for one in events] == ["2024-01-10T06:00:01.000002Z", "2024-01-10T06:00:06.000002Z"][
        : len(kinds)
    ]
    assert events == told(teller, execution(state, error="why"))
    if state is not ExecutionState.CACHED:  # which never runs
        assert events[:1] == told(teller, execution(ExecutionState.RUNNING))
    reused = [one["run"]["facets"]["mlcore_execution"]["reused"] for one in events]
    assert reused == [state is ExecutionState.CACHED] * len(kinds)
    assert ["errorMessage" in one["run"]["facets"] for one in events] == [one in ("FAIL", "ABORT") for one in kinds]
    assert "secret-host" not in json.dumps(events)


def test_executions_are_told_apart(teller: Teller) -> None:
    """By their ids and moments, and by the namespace: two installations send to one endpoint."""
    other = replace(teller, namespace="staging")
    ids = [
        teller.run_id(execution(ExecutionState.RUNNING)),
        teller.run_id(execution(ExecutionState.RUNNING, id=8)),
        teller.run_id(execution(ExecutionState.RUNNING, started_at=END)),
        other.run_id(execution(ExecutionState.RUNNING)),
    ]
    assert len(set(ids)) == 4
    assert ids[0] < ids[2]


def test_an_error_is_bounded_and_without_credentials(teller: Teller) -> None:
    """A message of any length is cut, and the user and password of an address in it are hidden."""
    error = "no answer from http://me:s3cret@host/ " + "x" * 10_000
    (_, failed) = told(teller, execution(ExecutionState.FAILED, error=error))
    message = failed["run"]["facets"]["errorMessage"]["message"]
    assert len(message) == 2_000
    assert "s3cret" not in message


def test_a_data_set_is_told_once_with_all_that_was_read_of_it(teller: Teller) -> None:
    """Two inputs of one type are one data set, whose version is the content of both; rows and time add up."""
    days = [artifact(day, ArtifactType.EXAMPLES, day, rows=10) for day in (1, 2, 3)]
    model = artifact(9, ArtifactType.MODEL)
    (_, done) = told(
        teller, execution(ExecutionState.COMPLETE), {"training": days[:2], "examples": days[1:]}, {"model": [model]}
    )
    (read,) = done["inputs"]
    assert (read["namespace"], read["name"]) == ("s3://lake", "mlcore/tiny/Examples")
    about = read["facets"]["mlcore_artifacts"]
    assert (about["count"], about["rows"], about["start"], about["end"]) == (
        3, 30, "2024-01-01T00:00:00Z", "2024-01-04T00:00:00Z",
    )  # fmt: skip
    assert about["digest"] == read["facets"]["version"]["datasetVersion"] != days[0].digest
    assert [one["name"] for one in read["facets"]["schema"]["fields"]] == ["id", "at", "colour", "size", "outcome"]
    (made,) = done["outputs"]
    assert made["name"] == "mlcore/tiny/Model"
    assert made["facets"]["version"]["datasetVersion"] == model.digest
    assert made["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "CREATE"


def test_a_source_is_the_users_data_set(teller: Teller) -> None:
    """Not one of the artifact store, whichever files it is in."""
    files = [artifact(day, ArtifactType.SOURCE_FILE, day) for day in (1, 2)]
    (started,) = told(teller, execution(ExecutionState.RUNNING), {"source": files})
    assert [(one["namespace"], one["name"]) for one in started["inputs"]] == [("file", "/data")]
    assert started["outputs"] == []
    assert "schema" in started["inputs"][0]["facets"]
    other = replace(teller, source=lambda _: SourceData(DatasetName("file", "/data")))
    (started,) = told(other, execution(ExecutionState.RUNNING), {"source": files})
    assert "schema" not in started["inputs"][0]["facets"]


def test_rows_without_an_outcome_have_the_columns_they_are_read_with(teller: Teller) -> None:
    """Examples that are only predicted of are a data set of their own, in the format and with the rows it has."""
    rows = artifact(1, ArtifactType.INFERENCE_EXAMPLES, 1, rows=7)
    (_, done) = told(teller, execution(ExecutionState.COMPLETE), {}, {"spans": [rows]})
    (made,) = done["outputs"]
    assert made["name"] == "mlcore/tiny/InferenceExamples"
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert {"schema", "storage"} < made["facets"].keys()


def test_models_of_candidates_are_data_sets_of_their_own(teller: Teller) -> None:
    """Two that were read are two; the one that is passed on is no output."""
    models = [artifact(number, ArtifactType.MODEL) for number in (1, 2)]
    selection = artifact(3, ArtifactType.SELECTION)
    several = replace(teller, candidates={1: "linear", 2: "trees"})
    outputs = {"model": models[:1], "selection": [selection]}
    (_, done) = told(several, execution(ExecutionState.COMPLETE), {"a": models[:1], "b": models[1:]}, outputs)
    assert [one["name"] for one in done["inputs"]] == ["mlcore/tiny/Model/linear", "mlcore/tiny/Model/trees"]
    assert [one["name"] for one in done["outputs"]] == ["mlcore/tiny/Selection"]


def test_verdicts_pushes_and_drift_say_what_they_came_to(teller: Teller) -> None:
    """By what was recorded of them, also when their files are gone; a gate's verdicts are its own data set."""
    blessing = artifact(1, ArtifactType.BLESSING, gate="infra", blessed=False, reasons=["too slow"])
    pushed = artifact(2, ArtifactType.PUSHED_MODEL, pushed=True, verdict="blessed", reasons=["good"])
    report = artifact(
        3, ArtifactType.DRIFT_REPORT, as_of="2024-01-10T06:00:00Z", retrain=True, reasons=["old"], drifted=["size"]
    )
    evaluation = artifact(4, ArtifactType.EVALUATION, headline="roc_auc 0.8", rows=5)
    push = PushRecord(version=3, outcome=PushOutcome.PROMOTED, reason="good", run="r", pushed_at=END)
    made = {"all": [blessing, pushed, report, evaluation]}
    (_, done) = told(teller, execution(ExecutionState.COMPLETE), {}, made, push)
    facets = {one["name"].removeprefix("mlcore/tiny/"): one["facets"] for one in done["outputs"]}
    assert facets["Blessing/infra"]["mlcore_blessing"]["blessed"] is False
    assert facets["PushedModel"]["mlcore_push"]["version"] == 3
    assert facets["PushedModel"]["mlcore_push"]["outcome"] == "PROMOTED"
    assert facets["DriftReport"]["mlcore_drift"]["drifted"] == ["size"]


def test_work_on_one_span_is_a_job_below_the_node(teller: Teller) -> None:
    """It has a fingerprint and no node of its own; what gathers spans has neither, and is the node."""
    span = execution(ExecutionState.RUNNING, component="ExampleGen", origin={})
    assert teller.job_of(span) == "tiny.example_gen.span"
    assert teller.job_of(replace(span, fingerprint=None)) == "tiny.example_gen"
    assert teller.job_of(execution(ExecutionState.RUNNING)) == "tiny.trainer"


def test_the_parent_is_the_run_or_airflows_run_of_the_dag(teller: Teller) -> None:
    """On the command line the run; under Airflow what its own OpenLineage provider calls the run of the DAG."""
    (ours,) = told(teller, execution(ExecutionState.RUNNING))
    (again,) = told(teller, execution(ExecutionState.RUNNING, id=8, component="Evaluator"))
    parent = ours["run"]["facets"]["parent"]
    assert parent == again["run"]["facets"]["parent"]
    assert parent["job"] == {"namespace": "mlcore", "name": "tiny"}
    origin: dict[str, Json] = {
        "dag_id": "tiny", "run_id": "scheduled__1", "task_id": "trainer", "try_number": 1,
        "run_moment": "2024-01-10T06:00:00Z", "clear_number": 1,
    }  # fmt: skip
    (airflows,) = told(replace(teller, airflow_namespace="prod"), execution(ExecutionState.RUNNING, origin=origin))
    theirs = generate_static_uuid(datetime(2024, 1, 10, 6, tzinfo=UTC), b"prod.tiny.1")
    parent = airflows["run"]["facets"]["parent"]
    assert (parent["run"]["runId"], parent["job"]) == (str(theirs), {"namespace": "prod", "name": "tiny"})
    assert airflows["run"]["facets"]["mlcore_execution"]["airflow"]["run_id"] == "scheduled__1"


def a_move(kind: MoveKind, start: int | None, end: int | None) -> AliasMove:
    return AliasMove(
        id=5, alias="champion", kind=kind, from_version=start, to_version=end, actor="r", reason="better", moved_at=END,
        evidence={"evaluation": 4, "reasons": ["x" * 5_000]},
    )  # fmt: skip


def test_a_move_of_an_alias_is_a_run_that_reads_a_model_and_makes_the_alias(teller: Teller) -> None:
    """From, to, who and why; below the execution whose transaction it was part of."""
    day = datetime(2024, 1, 1, tzinfo=UTC)
    model = artifact(9, ArtifactType.MODEL)
    version = ModelVersion(
        pipeline="tiny", version=2, artifact_id=9, evaluation_id=4, digest=model.digest, train_start=day,
        train_end=day + timedelta(days=4), window_end=day + timedelta(days=8), run="r", created_at=END,
    )  # fmt: skip
    pusher = execution(ExecutionState.COMPLETE, component="Pusher", origin={"node": "pusher"})
    facts = MoveFacts(move=a_move(MoveKind.PUSH, 1, 2), version=version, model=model, pusher=pusher)
    started, done = checked(list(teller.of_move(facts)))
    assert (started["eventType"], done["eventType"]) == (EventKind.START, EventKind.COMPLETE)
    facet = done["run"]["facets"]["mlcore_alias"]
    assert (facet["fromVersion"], facet["toVersion"], facet["actor"], facet["reason"]) == (1, 2, "r", "better")
    assert len(facet["evidence"]["reasons"][0]) == 1_000
    assert done["run"]["facets"]["parent"]["run"]["runId"] == teller.run_id(pusher)
    (read,), (made,) = done["inputs"], done["outputs"]
    assert read["name"] == "mlcore/tiny/Model"
    assert made["name"] == "mlcore/tiny/aliases/champion"
    assert made["facets"]["version"] == read["facets"]["version"]
    assert made["facets"]["mlcore_model"]["version"] == 2


def test_an_alias_that_is_removed_reads_nothing(teller: Teller) -> None:
    """Where it is now is left out of the facet."""
    facts = MoveFacts(move=a_move(MoveKind.REMOVE, 1, None), version=None, model=None)
    done = checked(list(teller.of_move(facts)))[-1]
    assert (done["inputs"], done["outputs"]) == ([], [])
    assert "toVersion" not in done["run"]["facets"]["mlcore_alias"]


def test_the_schemas_of_our_facets_are_where_they_are_said_to_be(teller: Teller) -> None:
    """Each facet of ours names a file of the documentation, by the id of that or below a chosen address."""
    for key, path in OWN.items():
        document = json.loads((OWN_SCHEMAS / f"{path}.json").read_text(encoding="utf-8"))
        name = path.rpartition("/")[2]
        facet = FacetMaker()(key)[key]
        assert facet["_schemaURL"] == f"{document['$id']}#/$defs/{name}"
        assert document["properties"] == {key: {"$ref": f"#/$defs/{name}"}}
    chosen = FacetMaker("https://example.com/facets/")("mlcore_push")["mlcore_push"]
    assert chosen["_schemaURL"].startswith("https://example.com/facets/1-0-0/MlcorePushDatasetFacet.json#")
    assert {path.relative_to(OWN_SCHEMAS).with_suffix("").as_posix() for path in OWN_SCHEMAS.rglob("*.json")} == set(
        OWN.values()
    )


@pytest.mark.parametrize("spoilt", ["runId", "moment", "address", "facet", "misplaced", "version", "missing", "extra"])
def test_what_is_wrong_is_found(teller: Teller, spoilt: str) -> None:
    """The validation that these tests rest on refuses an event that is spoilt in any of these ways."""
    (document,) = told(teller, execution(ExecutionState.RUNNING))
    facets = document["run"]["facets"]
    match spoilt:
        case "runId":
            document["run"]["runId"] = "7"
        case "moment":
            document["eventTime"] = "yesterday"
        case "address":
            facets["mlcore_execution"]["_producer"] = "not a uri"
        case "facet":
            facets["mlcore_execution"]["reused"] = "no"
        case "misplaced":
            facets["jobType"] = document["job"]["facets"].pop("jobType")
        case "version":
            facets["parent"]["_schemaURL"] = facets["parent"]["_schemaURL"].replace("1-2-0", "1-0-0")
        case "missing":
            del document["job"]["name"]
        case "extra":
            facets["nominalTime"]["nominalMiddle"] = "2024-01-10T06:00:00Z"
    assert problems(document) != []


def test_closed_sets_of_the_schemas_are_those_of_the_code() -> None:
    """States, kinds and outcomes that the code may tell are those that the schemas allow."""
    found = {
        ("mlcore_execution", "state"): {one.value for one in ExecutionState} - {"NEW"},
        ("mlcore_alias", "kind"): {one.value for one in MoveKind},
        ("mlcore_push", "outcome"): {one.value for one in PushOutcome},
    }
    for (key, name), allowed in found.items():
        document = json.loads((OWN_SCHEMAS / f"{OWN[key]}.json").read_text(encoding="utf-8"))
        schema = document["$defs"][OWN[key].rpartition("/")[2]]["allOf"][1]
        assert set(schema["properties"][name]["enum"]) == allowed
