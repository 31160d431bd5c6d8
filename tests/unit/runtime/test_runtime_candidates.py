"""The graph of a pipeline with several models, and what each of its nodes may see."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mlcore.config.loader import load_pipeline
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.window import held_back, parse_moment
from mlcore.errors import ComponentFailed, ConfigError, ModelError, WindowError
from mlcore.runtime.candidates import naming
from mlcore.runtime.checks import check_pipeline
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.windows import training_window, tuning_intervals

EXAMPLE = Path(__file__).parents[3] / "config" / "pipelines" / "flight_delays.yaml"
LINEAR = {"estimator": "sklearn.linear_model.LogisticRegression", "features": ["distance"]}
TUNED = {
    "estimator": "sklearn.ensemble.HistGradientBoostingClassifier",
    "tune": {"search": {"max_iter": [50, 100]}},
}


def pipeline(**changes: object) -> PipelineConfig:
    """The shipped pipeline with two models."""
    document = load_pipeline(EXAMPLE).model_dump(mode="json") | {"model": None}
    return PipelineConfig.model_validate({**document, "models": {"tuned": TUNED, "linear": LINEAR}, **changes})


def test_each_candidate_has_nodes_of_its_own_and_one_is_judged() -> None:
    """Candidates do not wait for each other; the gates read what the selector passes on."""
    graph = retraining_graph(pipeline())
    names = [node.name for node in graph.nodes]
    assert names[-10:] == [
        "tuner_tuned", "trainer_tuned", "backtest_tuned", "transform_linear", "trainer_linear", "backtest_linear",
        "model_selector", "evaluator", "infra_validator", "pusher",
    ]  # fmt: skip
    for name, others in (("tuned", "linear"), ("linear", "tuned")):
        for kind in ("trainer", "backtest"):
            node = graph[f"{kind}_{name}"]
            assert node.candidate == name
            assert not any(others in upstream for upstream in node.upstream)
    assert "transform" in graph["trainer_tuned"].upstream
    assert "transform_linear" in graph["trainer_linear"].upstream
    trained = {f"{kind}_{name}" for kind in ("trainer", "backtest") for name in ("tuned", "linear")}
    assert trained < set(graph["model_selector"].upstream)
    for judging in ("evaluator", "infra_validator", "pusher"):
        assert "model_selector" in graph[judging].upstream
        assert not trained & set(graph[judging].upstream)
    assert "trainer" not in names


def test_a_transform_that_no_candidate_reads_is_not_there() -> None:
    """Where every candidate sees features of its own."""
    names = [node.name for node in retraining_graph(pipeline(models={"linear": LINEAR})).nodes]
    assert "transform" not in names
    assert "transform_linear" in names


def test_hyperparameters_are_not_searched_on_the_spans_that_choose() -> None:
    """The newest fifth of the training window is left out, by default."""
    config = pipeline()
    request = RunRequest(pipeline=config.name, run="r", as_of=parse_moment("2013-05-06T06:00Z"))
    train = training_window(config, request).train
    (searched,) = tuning_intervals(config, request)
    assert (searched.start, train.end - searched.end) == (train.start, timedelta(days=12))
    assert tuning_intervals(config, request, "linear") == ()
    assert tuning_intervals(load_pipeline(EXAMPLE), request) == ()


def test_spans_before_those_held_back_are_not_fitted_on_when_labels_come_late() -> None:
    """What cannot be divided is told with the key to change."""
    assert held_back(60, 12, 1) == (range(47), range(48, 60))
    with pytest.raises(WindowError, match="leave none to fit on") as error:
        held_back(3, 2, 1)
    assert error.value.where == "selection.held_back"


def test_mistakes_are_of_the_model_they_are_in() -> None:
    """An unknown parameter is told with the candidate's key; so is a metric that cannot choose."""
    wrong = {**LINEAR, "params": {"Q": 1}}
    with pytest.raises(ModelError, match="model linear: LogisticRegression has no parameter 'Q'") as error:
        check_pipeline(pipeline(models={"tuned": TUNED, "linear": wrong}))
    assert error.value.where == "models.linear.params.Q"
    with pytest.raises(ConfigError, match="no model can be chosen by it"):
        check_pipeline(pipeline(selection={"metric": "mean_prediction"}))
    check_pipeline(pipeline())
    with pytest.raises(ComponentFailed, match="model linear: KeyError"), naming("linear"):
        raise KeyError("x")
    with pytest.raises(KeyError), naming(None):
        raise KeyError("x")
