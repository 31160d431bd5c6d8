"""Rows that count more or less, and probabilities set right by rows held back."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from mlcore.config.model import Feature
from mlcore.errors import ConfigError, DataError, ModelError
from mlcore.training.calibrate import Calibrating
from mlcore.training.model import ModelMetadata, load_model, save_model
from mlcore.training.predict import predict_scores
from mlcore.training.train import train
from mlcore.training.weights import RowWeights
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

END = datetime(2024, 2, 1, tzinfo=UTC)
LOGISTIC = "sklearn.linear_model.LogisticRegression"
ROWS = 3000


class OneColumn(TransformerMixin, BaseEstimator):
    """Column x as it is."""

    categorical_mask = (False,)

    def fit(self, table, labels=None):
        return self

    def transform(self, table):
        return table["x"].to_numpy().reshape(-1, 1)

    transform_training = transform

    def get_feature_names_out(self, input_features=None):
        return np.array(["x"], dtype=object)

    def __sklearn_is_fitted__(self):
        return True


def make_table(rows=ROWS):
    generator = np.random.default_rng(5)
    x = generator.normal(size=rows)
    late = (generator.random(rows) < 1 / (1 + np.exp(-3 * x))).astype(np.int8)
    at = [END - timedelta(hours=rows - index) for index in range(rows)]
    table = pa.table({"x": x, "late": late, "w": generator.random(rows)})
    return table.append_column("at", pa.array(at, pa.timestamp("us", "UTC")))


def test_weights_are_the_product_of_what_is_given():
    """A column, a half-life and a factor a class multiply."""
    table = pa.table({"w": [1.0, 2.0, 3.0], "at": pa.array([END - timedelta(days=d) for d in (0, 10, 20)])})
    weights = RowWeights(column="w", half_life=timedelta(days=10), timestamp="at", end=END, classes={"1": 4.0}).of(
        table, np.array([0, 1, 1])
    )
    assert weights.tolist() == [1.0, 2.0 * 0.5 * 4, 3.0 * 0.25 * 4]
    assert RowWeights().of(table, np.array([0, 1, 1])) is None


def test_balanced_classes_weigh_the_same():
    """Every class has the same weight in all, and rows count as many as they are."""
    labels = np.array(["a"] * 8 + ["b"] * 2)
    weights = RowWeights(classes="balanced").of(pa.table({"w": np.ones(10)}), labels)
    assert weights[labels == "a"].sum() == weights[labels == "b"].sum() == 5.0


@pytest.mark.parametrize("value", [None, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(value):
    """A missing, negative or endless weight is an error that names the column and how many there are."""
    table = pa.table({"w": pa.array([1.0, value], pa.float64())})
    with pytest.raises(DataError, match=r"1 of 2 training rows have no weight.*'w'"):
        RowWeights(column="w").of(table, np.array([0, 1]))


def test_weights_of_nothing_are_refused():
    """Only zeros, and a class that there is not, are errors."""
    with pytest.raises(DataError, match="weight 0"):
        RowWeights(column="w").of(pa.table({"w": [0.0, 0.0]}), np.array([0, 1]))
    with pytest.raises(ConfigError, match="no training row is of class '7'"):
        RowWeights(classes={"7": 1.0}).of(pa.table({"w": [0.0]}), np.array([0]))


def test_a_weight_of_zero_is_a_row_left_out():
    """A row that weighs nothing does not change the fit."""
    table = make_table()
    zeros = np.where(np.arange(ROWS) < ROWS // 2, 0.0, 1.0)
    weighed = train(
        table.set_column(2, "w", pa.array(zeros)),
        OneColumn(), label="late", estimator=LOGISTIC, params={}, weights=RowWeights(column="w"),
    )  # fmt: skip
    without = train(table.slice(ROWS // 2), OneColumn(), label="late", estimator=LOGISTIC, params={})
    assert np.allclose(weighed.pipeline[-1].coef_, without.pipeline[-1].coef_, rtol=1e-4)


def test_an_estimator_that_cannot_weigh_says_so():
    """Weights and an estimator without sample_weight are an error that names both."""
    neighbours = "sklearn.neighbors.KNeighborsClassifier"
    with pytest.raises(ModelError, match="KNeighborsClassifier cannot weigh rows"):
        train(make_table(), OneColumn(), label="late", estimator=neighbours, params={}, weights=RowWeights(column="w"))


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_calibration_mends_probabilities(method):
    """Probabilities pulled to one side by class weights are set right, by the newest rows only."""
    table = make_table()
    calibrating = Calibrating(method=method, share=0.3, timestamp="at")
    assert np.flatnonzero(calibrating.held_back(table)).min() == ROWS * 0.7
    skewed = {"label": "late", "estimator": LOGISTIC, "params": {"class_weight": "balanced"}}
    rare = table.filter(pa.array((table["late"].to_numpy() == 0) | (np.arange(ROWS) % 5 == 0)))
    raw = train(rare, OneColumn(), **skewed)
    mended = train(rare, OneColumn(), **skewed, holding=calibrating)
    table = rare
    labels = table["late"].to_numpy()
    off = abs(predict_scores(raw.pipeline, table).mean() - labels.mean())
    right = abs(predict_scores(mended.pipeline, table).mean() - labels.mean())
    assert right < 0.02 < off


def test_a_regressor_cannot_be_calibrated():
    """There are no probabilities to set right."""
    with pytest.raises(ModelError, match="no classifier"):
        train(
            make_table(), OneColumn(), label="x", estimator="sklearn.linear_model.Ridge", params={},
            holding=Calibrating(method="sigmoid", share=0.5, timestamp="at"),
        )  # fmt: skip


def test_rows_of_one_moment_are_on_one_side():
    """Where no moment divides the rows, that is an error."""
    table = make_table(4).set_column(3, "at", pa.array([END] * 4))
    with pytest.raises(DataError, match="leave none to fit on"):
        Calibrating(method="sigmoid", share=0.5, timestamp="at").held_back(table)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_a_calibrated_model_is_stored_like_any(tmp_path, method):
    """Saved and loaded, it gives the same bits; equal fits are equal files."""
    table = make_table(600)
    calibrating = Calibrating(method=method, share=0.3, timestamp="at")
    digests = set()
    for name in ("a", "b"):
        trained = train(
            table, make_transformer(), label="late", params={"max_iter": 3}, holding=calibrating,
            estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        )  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        save_model(folder, trained.pipeline, b"{}", METADATA)
        digests.add((folder / "model.skops").read_bytes())
        loaded = load_model(folder)
        assert predict_scores(loaded, table).tobytes() == predict_scores(trained.pipeline, table).tobytes()
    assert len(digests) == 1


def make_transformer():
    specs = specs_from_config({"x": Feature(transform="numeric")}, {"x": "float64"})
    return GraphTransformer.of(fit(specs, analyze(make_table(10).to_batches()[0], specs)))


METADATA = ModelMetadata(
    feature_names=("x",), label="late", classes=(0, 1), estimator="x", params={}, rows=1, unlabelled=0,
    train_start="", train_end="",
)  # fmt: skip
