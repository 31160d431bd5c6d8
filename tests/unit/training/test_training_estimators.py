"""Estimators are found by path; what is misspelt is named together with what was meant."""

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from mlcore.errors import ModelError
from mlcore.training.estimators import resolve_estimator

HIST = "sklearn.ensemble.HistGradientBoostingClassifier"


def test_estimator_with_parameters():
    """The class of the path is made with the parameters given."""
    estimator = resolve_estimator(HIST, {"max_iter": 7, "random_state": 3})
    assert type(estimator) is HistGradientBoostingClassifier
    assert (estimator.max_iter, estimator.random_state) == (7, 3)


@pytest.mark.parametrize("params", [{}, {"random_state": None}])
def test_seed_is_never_left_open(params):
    """An estimator that draws random numbers gets a fixed seed unless one is given."""
    assert resolve_estimator("sklearn.ensemble.RandomForestClassifier", params).random_state == 0
    assert type(resolve_estimator("sklearn.ensemble.RandomForestClassifier", params)) is RandomForestClassifier


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("sklearn.ensemble.HistGradientBostingClassifier", "did you mean HistGradientBoostingClassifier"),
        ("sklearn.esemble.RandomForestClassifier", r"did you mean sklearn\.ensemble"),
        ("no_such_package.Model", "no module 'no_such_package'"),
        ("sklearn.preprocessing.StandardScaler", "is not an estimator: it has no predict"),
        ("sklearn.metrics.roc_auc_score", "is not an estimator"),
        ("os.path", "is not an estimator"),
        ("Model", "no estimator"),
    ],
)
def test_unknown_estimator(path, words):
    """What cannot be found, or is no estimator, is named, with the nearest names there are."""
    with pytest.raises(ModelError, match=words) as caught:
        resolve_estimator(path, {})
    assert path in str(caught.value)
    assert caught.value.where == "model.estimator"


def test_unknown_parameter():
    """A misspelt parameter is named with the nearest one, and the allowed ones are listed."""
    with pytest.raises(ModelError, match="did you mean max_iter") as caught:
        resolve_estimator(HIST, {"max_itr": 7})
    assert caught.value.where == "model.params.max_itr"
    assert "learning_rate" in caught.value.next_step
