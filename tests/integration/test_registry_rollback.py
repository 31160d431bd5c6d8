from __future__ import annotations

import json

import pytest
from support.project import Project

from mlcore.registry.records import PushOutcome

MONITORED = "2024-01-12T07:00Z"


@pytest.fixture
def changed(ran: Project) -> Project:
    """Version 1 as the file was; version 2 by a file with another feature, other metrics and other thresholds."""
    ran.replace("size: {transform: scale_to_z_score}", "size: {transform: numeric}")
    ran.replace("metrics: [roc_auc, log_loss]", "metrics: [log_loss, roc_auc, brier]")
    ran.replace(
        "current: P2D",
        "current: P2D\n  drift: {min_distance: 0.7}\n  performance: {metric: brier, max_decay: 0.9}",
    )
    ran.run("2024-01-11T06:00Z", name="second")
    return ran


def monitored(project: Project, name: str) -> tuple[dict[str, object], int, dict[str, object]]:
    """What a monitoring run was told, which model it judged, and which spans were its reference."""
    results = project.run(MONITORED, name=name, monitor=True)
    with project.session() as session:
        execution = session.metadata.execution(results["drift_monitor"].execution_id)
        inputs = session.metadata.inputs(execution.id)
        model, evaluation = inputs["model"][0], inputs["evaluation"][0]
        spans = [artifact.span.label for artifact in inputs["reference_statistics"] if artifact.span]
        monitor = execution.parameters["monitor"]
        return dict(monitor), model.id, {"spans": spans, "evaluation": evaluation.id, **execution.parameters}


def test_a_rollback_brings_back_all_that_a_version_is_judged_by(changed: Project) -> None:
    """Model, transform, features, monitor reference, evaluation at push and thresholds, with one move of the alias."""
    told, model, rest = monitored(changed, "before")
    with changed.session() as session:
        second = session.registry.find("tiny", 2)
        assert (model, rest["evaluation"]) == (second.artifact_id, second.evaluation_id)
    assert told["drift"]["min_distance"] == 0.7
    assert told["performance"] == {"metric": "brier", "max_decay": 0.9}
    assert rest["features"]["size"]["transform"] != "scale_to_z_score"

    done = changed.cli("models", "rollback", "tiny", "--reason", "complaints", "--expect", "2", "--json")
    assert json.loads(done.stdout)["champion"] == 1, done.stderr
    told, model, rest = monitored(changed, "after")
    with changed.session() as session:
        first = session.registry.find("tiny", "champion")
        assert (model, rest["evaluation"]) == (first.artifact_id, first.evaluation_id)
        assert first.schema_id not in (None, second.schema_id)
    assert told["drift"]["min_distance"] == 0.1
    assert told["performance"] == {"metric": "roc_auc", "max_decay": 0.05}
    assert told["current"] == "P2D"
    assert "scale_to_z_score" in json.dumps(rest["features"]["size"])
    assert rest["spans"] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]

    # The next run is judged against the restored version, and what was rolled back from does not return by itself.
    changed.run("2024-01-11T06:00Z", name="again")
    with changed.session() as session:
        assert session.registry.champion("tiny").version == 1
    results = changed.run("2024-01-12T06:00Z", name="third")
    with changed.session() as session:
        assert session.metadata.inputs(results["evaluator"].execution_id)["baseline"][0].id == first.artifact_id
        assert session.registry.pushes("tiny")[-1].outcome is PushOutcome.PROMOTED
    told, _, _ = monitored(changed, "pushed")
    assert told["drift"]["min_distance"] == 0.7, "a champion that a run pushed is judged by the file"
