"""Training: rows with a label only, categories passed on, threads fixed, faults told."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from threadpoolctl import threadpool_info

from mlcore.errors import DataError, ModelError
from mlcore.training.predict import predict_scores
from mlcore.training.train import train

HIST = "sklearn.ensemble.HistGradientBoostingClassifier"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


class TwoColumns(TransformerMixin, BaseEstimator):
    """Columns a and b as they are; a is a category."""

    categorical_mask = (True, False)

    def fit(self, table, labels=None):
        return self

    def transform(self, table):
        return np.column_stack([table["a"].to_numpy(), table["b"].to_numpy()])

    transform_training = transform

    def get_feature_names_out(self, input_features=None):
        return np.array(["a", "b"], dtype=object)

    def __sklearn_is_fitted__(self):
        return True


def make_table(rows=400, labels=None):
    generator = np.random.default_rng(2)
    a, b = generator.integers(0, 4, rows).astype(float), generator.normal(size=rows)
    drawn = (b + (a == 2) + generator.normal(size=rows) > 0.5).astype(float)
    values = drawn if labels is None else labels
    return pa.table({"a": a, "b": b, "late": pa.array(values, pa.float64()).cast(pa.int8())})


def test_rows_without_label_are_left_out():
    """Rows without a label are counted and change nothing."""
    table = make_table()
    holes = pa.array(table["late"].to_numpy(), mask=np.arange(400) >= 300)
    with_holes = table.set_column(2, "late", holes)
    trained = train(with_holes, TwoColumns(), label="late", estimator=LOGISTIC, params={})
    assert (trained.rows, trained.unlabelled, trained.classes) == (300, 100, (0, 1))
    alone = train(table.slice(0, 300), TwoColumns(), label="late", estimator=LOGISTIC, params={})
    assert predict_scores(trained.pipeline, table).tobytes() == predict_scores(alone.pipeline, table).tobytes()


def test_categories_are_passed_on():
    """An estimator that takes categorical features is told which they are, unless the file says it."""
    trained = train(make_table(), TwoColumns(), label="late", estimator=HIST, params={"max_iter": 3})
    assert trained.pipeline[-1].is_categorical_.tolist() == [True, False]
    own = {"max_iter": 3, "categorical_features": []}
    given = train(make_table(), TwoColumns(), label="late", estimator=HIST, params=own)
    assert given.pipeline[-1].is_categorical_ is None


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_fixed_while_fitting(threads, monkeypatch):
    """Every BLAS and OpenMP pool has the given number of threads during the fit."""
    from sklearn.linear_model import LogisticRegression

    seen = []
    original = LogisticRegression.fit

    def spy(self, *args, **kwargs):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    train(make_table(), TwoColumns(), label="late", estimator=LOGISTIC, params={}, threads=threads)
    assert seen
    assert max(seen) <= threads


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (make_table(labels=[None] * 400), "no row of the training window has a label 'late'"),
        (make_table().slice(0, 0), "no row of the training window has a label 'late'"),
        (make_table(labels=[1.0] * 400), "all 400 training rows have the label late = 1"),
        (make_table().drop_columns(["late"]), "no label column 'late'"),
    ],
)
def test_nothing_to_learn(table, text):
    """No rows, no labels, one class only or no label column: an error of the data that says so."""
    with pytest.raises(DataError, match=text):
        train(table, TwoColumns(), label="late", estimator=LOGISTIC, params={})


def test_refused_parameter_value():
    """A parameter that the estimator refuses when it fits is told in its words."""
    with pytest.raises(ModelError, match="learning_rate"):
        train(make_table(), TwoColumns(), label="late", estimator=HIST, params={"learning_rate": -1})


def test_refused_rows():
    """An estimator that takes no missing values says so, and the error names the way out."""
    table = make_table().set_column(1, "b", pa.array([float("nan")] * 400))
    with pytest.raises(ModelError, match="NaN") as caught:
        train(table, TwoColumns(), label="late", estimator=LOGISTIC, params={})
    assert "missing: 0" in caught.value.next_step


def test_scores_of_several_classes_are_a_row_of_probabilities():
    """Of classes that are not 0 and 1 there is a probability each, in the order of the classes."""
    table = make_table().drop_columns("late").append_column("late", pa.array(["low", "mid", "top", "mid"] * 100))
    trained = train(table, TwoColumns(), label="late", estimator=LOGISTIC, params={})
    scores = predict_scores(trained.pipeline, table)
    assert trained.classes == ("low", "mid", "top")
    assert scores.shape == (400, 3)
    assert np.allclose(scores.sum(axis=1), 1)


def test_scores_need_probabilities():
    """A classifier without probabilities gives no scores."""
    trained = train(make_table(), TwoColumns(), label="late", estimator="sklearn.svm.LinearSVC", params={})
    with pytest.raises(ModelError, match="no probabilities"):
        predict_scores(trained.pipeline, make_table())


def test_regressor_scores_are_its_predictions():
    """A regressor's scores are what it predicts."""
    trained = train(make_table(), TwoColumns(), label="late", estimator="sklearn.linear_model.Ridge", params={})
    assert trained.classes == ()
    assert np.array_equal(predict_scores(trained.pipeline, make_table()), trained.pipeline.predict(make_table()))


def test_rows_that_the_model_refuses():
    """A model that takes no missing values refuses a row with one, and the error names the way out."""
    trained = train(make_table(), TwoColumns(), label="late", estimator=LOGISTIC, params={})
    with pytest.raises(ModelError, match=r"refuses rows: .*NaN") as caught:
        predict_scores(trained.pipeline, pa.table({"a": [1.0], "b": [float("nan")]}))
    assert "missing: 0" in caught.value.next_step
    assert len(str(caught.value)) < 300  # of the library's explanations the first line: the way out is told with it


@pytest.mark.parametrize("estimator", [LOGISTIC, "sklearn.linear_model.Ridge", "sklearn.neural_network.MLPClassifier"])
def test_a_row_has_the_same_bits_alone_and_among_others(estimator):
    """Linear algebra depends on how many rows there are; scores do not, at any place and in any number of rows."""
    table = make_table(1003)
    params = {"tol": 0.01} if "MLP" in estimator else {}
    trained = train(table, TwoColumns(), label="late", estimator=estimator, params=params)
    together = predict_scores(trained.pipeline, table)
    for start, count in ((0, 1), (77, 1), (1002, 1), (100, 63), (500, 200), (3, 1000)):
        assert predict_scores(trained.pipeline, table.slice(start, count)).tobytes() == (
            together[start : start + count].tobytes()
        )


@pytest.mark.parametrize("estimator", [LOGISTIC, "sklearn.ensemble.HistGradientBoostingClassifier"])
def test_a_feature_without_any_value_is_named(estimator):
    """Libraries speak of window shapes and of NaN; the error says which feature has nothing to learn from."""
    table = make_table()
    empty = table.set_column(1, "b", pa.array([float("nan")] * len(table)))
    with pytest.raises(ModelError, match=r"could not be fitted: .*; b has no value in any row\n") as caught:
        train(empty, TwoColumns(), label="late", estimator=estimator, params={})
    assert "leave them out" in caught.value.next_step


def test_features_that_miss_values_are_counted():
    """Those with most first."""
    table = make_table(10)
    holes = pa.array([float("nan"), *table["b"].to_pylist()[1:]])
    with pytest.raises(ModelError, match=r"b has no value in 1 of 10 rows"):
        train(table.set_column(1, "b", holes), TwoColumns(), label="late", estimator=LOGISTIC, params={})
