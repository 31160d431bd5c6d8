"""The search for hyperparameters: repeatable, resumable, judged on what comes later."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeClassifier

from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ModelError
from mlcore.training.fit import Rows
from mlcore.training.losses import Objective
from mlcore.training.train import judged_rows
from mlcore.training.tune import Between, Fold, Memo, Search, folds_of, read_tuned, tune, write_tuned
from mlcore.training.weights import RowWeights

RIDGE = "sklearn.linear_model.Ridge"
TREE = "sklearn.tree.DecisionTreeClassifier"


def make_rows(seed, rows=300, classes=0):
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(rows, 3))
    outcome = features @ np.array([1.0, -2.0, 0.0]) + generator.normal(size=rows)
    labels = np.digitize(outcome, [0.0] if classes == 2 else [-1.0, 1.0]) if classes else outcome
    return Rows(features=features, labels=labels, weights=None)


def make_folds(count=3, classes=0):
    mask = (False,) * 3
    return [Fold(fitted=make_rows(i, classes=classes), judged=make_rows(100 + i, classes=classes), mask=mask)
            for i in range(count)]  # fmt: skip


def ridge(**changes):
    search = {
        "estimator": RIDGE, "params": {"random_state": 1}, "space": {"alpha": Between(low=0.01, high=1e5, log=True)},
        "objective": Objective("rmse"), "trials": 12,
    }  # fmt: skip
    return Search(**{**search, **changes})


def test_the_best_trial_wins():
    """What is found is the least value of the complete trials, inside the space, and every trial is told."""
    tuned = tune(ridge(), make_folds())
    complete = [trial for trial in tuned.trials if trial.state == "complete"]
    assert len(tuned.trials) == 12
    assert tuned.value == min(trial.value for trial in complete)
    assert all(trial.value == np.mean(trial.values) for trial in complete)
    assert tuned.value < 1.2
    assert 0.01 <= tuned.params["alpha"] <= 1e5
    assert all(len(trial.values) == 3 for trial in complete)


@pytest.mark.parametrize("parallel", [1, 4])
def test_equal_searches_have_equal_bytes(parallel):
    """However the threads ran, the same trials are asked and the same bytes written."""
    found = {tune(ridge(parallel=parallel), make_folds()).to_json() for _ in range(3)}
    assert len(found) == 1


def test_bad_parameters_are_pruned():
    """A trial that is worse than the median of the others is not judged on all folds."""
    tuned = tune(ridge(trials=30), make_folds())
    pruned = [trial for trial in tuned.trials if trial.state == "pruned"]
    assert pruned
    assert all(len(trial.values) < 3 and trial.value is None for trial in pruned)


def test_a_search_that_was_killed_goes_on(tmp_path, monkeypatch):
    """Folds that were judged before are not fitted again, half a line is not read, and the end is the same."""
    path = tmp_path / "scratch" / "memo.jsonl"
    whole = tune(ridge(), make_folds())
    tune(ridge(trials=7), make_folds(), Memo(path))
    with path.open("a") as file:
        file.write('["half a li')
    before = len(path.read_text().splitlines())
    resumed = tune(ridge(), make_folds(), Memo(path))
    assert resumed.to_json() == whole.to_json()
    fitted = sum(len(trial.values) for trial in whole.trials)
    assert len(path.read_text().splitlines()) == fitted + 1 > before


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc", "average_precision", "accuracy"])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_metric_of_classes_can_be_searched_by(metric, classes):
    """Two classes or three: a search ends with a value that is better than chance."""
    search = ridge(
        estimator=TREE, params={}, space={"max_depth": (1, 2, 3, None)}, trials=4,
        objective=Objective(metric, tuple(range(classes))),
    )  # fmt: skip
    tuned = tune(search, make_folds(classes=classes))
    assert tuned.params["max_depth"] in (1, 2, 3, None)
    worst = {"log_loss": np.log(classes), "brier": 0.25 if classes == 2 else 2 / 3}.get(metric, 1 / classes)
    assert (tuned.value < worst) != search.objective.greater_is_better


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc", "average_precision", "accuracy"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_that_weighs_twice_is_two_rows(metric, classes):
    """Whole weights judge a model of classes as repeated rows do."""
    model = DecisionTreeClassifier(max_depth=3).fit(*features_and_labels(0, classes))
    check_weights(Objective(metric, tuple(range(classes))), model, make_rows(1, classes=classes))


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_an_amount_that_weighs_twice_is_two(metric):
    """Whole weights judge a model of amounts as repeated rows do."""
    check_weights(Objective(metric), Ridge().fit(*features_and_labels(0, 0)), make_rows(1))


def features_and_labels(seed, classes):
    rows = make_rows(seed, classes=classes)
    return rows.features, rows.labels


def check_weights(objective, model, rows):
    weights = np.random.default_rng(7).integers(0, 4, len(rows.labels))
    index = np.repeat(np.arange(len(weights)), weights)
    repeated = Rows(features=rows.features[index], labels=rows.labels[index], weights=None)
    weighed = Rows(features=rows.features, labels=rows.labels, weights=weights.astype(float))
    assert objective.of(model, weighed) == pytest.approx(objective.of(model, repeated), rel=1e-12)
    assert objective.of(model, weighed) != pytest.approx(objective.of(model, rows), rel=1e-12)


def test_judged_rows_are_weighed_as_those_fitted_on():
    """A half-life goes on beyond the end of the fitted rows, and a class that is only judged has a weight too."""
    end = datetime(2024, 1, 2, tzinfo=UTC)
    at = pa.array([end - timedelta(days=1), end, end + timedelta(days=1)], pa.timestamp("us", "UTC"))
    table = pa.table({"x": [1.0, 2.0, 3.0], "y": ["a", "b", "b"], "at": at})
    weights = RowWeights(half_life=timedelta(days=1), timestamp="at", end=end, classes={"b": 3.0})
    fitted = Rows(features=np.zeros((2, 1)), labels=np.array(["a", "a"]), weights=None)
    transform = lambda rows: rows["x"].to_numpy()[:, None]  # noqa: E731
    judged = judged_rows(table, transform, label="y", weights=weights, fitted=fitted)
    assert judged.weights.tolist() == [0.5, 3.0, 6.0]
    assert judged_rows(table, transform, label="y", weights=None, fitted=fitted).weights is None


def test_failing_parameters_fail_their_trial_only():
    """Parameters that the estimator refuses are a failed trial with its reason; only failures end the search."""
    space = {"criterion": ("gini", "entropy", "nonsense")}
    search = ridge(estimator=TREE, params={}, space=space, trials=9, objective=Objective("log_loss", (0, 1)))
    tuned = tune(search, make_folds(classes=2))
    failed = [trial for trial in tuned.trials if trial.state == "failed"]
    assert failed
    assert "must be a str among" in failed[0].reason
    assert tuned.params["criterion"] != "nonsense"
    hopeless = ridge(estimator=TREE, params={}, space={"criterion": ("no",)}, trials=2,
                     objective=Objective("log_loss", (0, 1)))  # fmt: skip
    with pytest.raises(ModelError, match="none of 2 trials"):
        tune(hopeless, make_folds(classes=2))


def test_unknown_parameters_and_wrong_metrics_are_errors():
    """They are told before anything is fitted."""
    with pytest.raises(ModelError, match="no parameter 'alhpa'"):
        tune(ridge(space={"alhpa": (1.0,)}), make_folds())
    with pytest.raises(ModelError, match="no metric of amounts"):
        Objective("roc_auc")


def test_no_trial_starts_after_the_time_is_over():
    """A search without time left has no complete trial, and says so."""
    with pytest.raises(ModelError, match="none of 0 trials"):
        tune(ridge(seconds=-1.0), make_folds())


def test_folds_come_after_what_they_are_fitted_on():
    """Spans are judged once each, in time order, after the embargo."""
    for fitted, judged in folds_of(61, 5, 2):
        assert fitted.start == 0
        assert fitted.stop + 2 == judged.start
        assert len(judged) == 10
    with pytest.raises(ModelError, match="too few"):
        folds_of(3, 3, 0)


def test_what_was_found_is_read_as_written(tmp_path):
    """Round trip; a damaged or missing file is an error of its own kind."""
    tuned = tune(ridge(trials=2), make_folds())
    write_tuned(tmp_path, tuned)
    assert read_tuned(tmp_path) == tuned
    (tmp_path / "hyper_parameters.json").write_bytes(b"{}")
    with pytest.raises(ArtifactCorrupt):
        read_tuned(tmp_path)
    with pytest.raises(ArtifactMissing):
        read_tuned(tmp_path / "nowhere")
