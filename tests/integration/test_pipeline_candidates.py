"""Several models of one pipeline: trained side by side, one of them chosen on held-back rows, judged and pushed."""

from __future__ import annotations

import json

import pytest
from support.project import Project

from mlcore.core.types import ExecutionState
from mlcore.errors import ModelError
from mlcore.evaluation.files import read_judgement

MODEL = """model:
  estimator: sklearn.ensemble.HistGradientBoostingClassifier
  params: {max_iter: 10, random_state: 7}
"""
MODELS = """models:
  boosted:
    estimator: sklearn.ensemble.HistGradientBoostingClassifier
    params: {max_iter: 10, random_state: 7}
  linear:
    estimator: sklearn.linear_model.LogisticRegression
    features: [size]
  bayes:
    estimator: sklearn.naive_bayes.GaussianNB
    features: [size]
selection: {metric: log_loss, held_back: 1}
"""


@pytest.fixture
def several(project: Project) -> Project:
    """The pipeline ``tiny`` with three models."""
    project.replace("transform: scale_to_z_score", "transform: scale_to_z_score, missing: 0")
    project.replace(MODEL, MODELS)
    return project


def test_the_best_of_three_is_judged_and_pushed(several: Project) -> None:
    """The champion is the model that its candidate's own Trainer made, and the evaluation tells of all three."""
    results = several.run()
    states = several.states(results)
    assert states.pop("transform_bayes") == "CACHED"  # it sees what linear sees
    assert set(states.values()) == {"COMPLETE"}
    with several.session() as session:
        selector = session.metadata.outputs(results["model_selector"].execution_id)
        chosen = str(selector["selection"][0].properties["chosen"])
        (made,) = session.metadata.outputs(results[f"trainer_{chosen}"].execution_id)["model"]
        champion = session.registry.champion("tiny")
        assert champion is not None
        assert champion.artifact_id == made.id == selector["model"][0].id
        (pushed,) = session.metadata.outputs(results["pusher"].execution_id)["push"]
        upward = {node.execution_id for node in session.metadata.lineage(pushed.id, "up")}
        assert results[f"trainer_{chosen}"].execution_id in upward
        (evaluation,) = session.metadata.outputs(results["evaluator"].execution_id)["evaluation"]
        judgement = read_judgement(session.artifacts.path(evaluation.uri))
        named = {
            execution.parameters.get("candidate"): execution.parameters["model"]["estimator"]
            for execution in session.metadata.executions("tiny", "r")
            if execution.component == "Trainer"
        }
    assert evaluation.properties["candidate"] == chosen
    assert named["linear"] == "sklearn.linear_model.LogisticRegression"
    told = judgement.candidates
    assert told is not None
    assert told.choice.chosen == chosen
    losses = {each.name: each.metrics.metrics["log_loss"] for each in told.choice.candidates}
    assert set(losses) == {"boosted", "linear", "bayes", "dummy"}
    assert losses[chosen].value == min(value.value for value in losses.values())
    assert {each.name: each.metrics.rows for each in told.evaluated} == dict.fromkeys(losses, 480)
    (alone,) = [each.metrics.metrics for each in told.evaluated if each.name == chosen]
    assert alone["log_loss"].value == pytest.approx(judgement.evaluation.overall.metrics["log_loss"].value)

    card = several.folder / "card.md"
    shown = several.cli("evaluate", "show", "tiny", "--run", "r", "--card", str(card))
    assert shown.returncode == 0, shown.stderr
    assert f"passed: {chosen} has the best log_loss on the 120 rows held back from training" in shown.stdout
    assert f"{chosen} (chosen)" in shown.stdout
    assert "## Candidates" in card.read_text(encoding="utf-8")

    again = several.run(name="again")
    assert set(several.states(again).values()) == {"CACHED"}
    several.replace("LogisticRegression\n", "LogisticRegression\n    params: {C: 0.5}\n")
    changed = several.states(several.run(name="changed"))
    assert {name for name, state in changed.items() if state == "COMPLETE"} >= {"trainer_linear", "backtest_linear"}
    compared = several.cli("runs", "compare", "r", "changed", "--json")
    document = json.loads(compared.stdout)
    assert document["runs"][0]["chosen"] == chosen
    held_back = [run["candidates"]["linear"]["held_back"]["log_loss"] for run in document["runs"]]
    assert held_back[0] != held_back[1]
    for kept in ("transform", "transform_linear", "trainer_boosted", "backtest_boosted", "trainer_bayes"):
        assert changed[kept] == "CACHED"


def test_a_model_that_cannot_be_fitted_fails_the_run_by_its_name(several: Project) -> None:
    """Before anything is chosen; the error and the record of the execution say which model and which key."""
    several.replace("LogisticRegression\n", "LogisticRegression\n    params: {C: -1}\n")
    with pytest.raises(ModelError, match="model linear: LogisticRegression could not be fitted") as error:
        several.run(until="backtest_linear")
    assert error.value.where == "models.linear"
    with several.session() as session:
        failed = [each for each in session.metadata.executions("tiny", "r") if each.state is ExecutionState.FAILED]
        assert [each.origin["node"] for each in failed] == ["trainer_linear"]
        assert "model linear" in str(failed[0].error)


def test_where_a_constant_prediction_is_as_good_nothing_is_pushed(ran: Project) -> None:
    """The run succeeds, the champion stays, and the verdict says why."""
    ran.replace(MODEL, "models:\n  guess: {estimator: sklearn.dummy.DummyClassifier, params: {strategy: uniform}}\n")
    ran.replace("max_regression: 0.5", "max_regression: 5")
    ran.replace("threshold: 0.6", "threshold: 0")
    results = ran.run(name="guessed")
    assert results["model_selector"].summary == "none: guess is the best, and no better than a constant prediction"
    assert "no model is better than a constant prediction in roc_auc on the" in results["pusher"].summary
    with ran.session() as session:
        champion = session.registry.champion("tiny")
        assert champion is not None
        assert champion.version == 1
