"""Prediction intervals and quantiles: labels lie inside as often as promised, whatever the regressor."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.errors import DataError, ModelError
from mlcore.training.calibrate import Measuring
from mlcore.training.canonical import canonical_dumps
from mlcore.training.intervals import MOST_ERRORS, ConformalRegressor
from mlcore.training.model import ModelMetadata, load_model, save_model
from mlcore.training.predict import predict_intervals, predict_scores
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer
from mlcore.transform.unseen import learnt_from

SPECS = specs_from_config({"x": Feature(transform="numeric")}, {"x": "float64"})
MEASURING = Measuring(share=0.4, timestamp="at")
HIST = "sklearn.ensemble.HistGradientBoostingRegressor"
RIDGE = "sklearn.linear_model.Ridge"


def make_table(seed, rows):
    """Amounts with errors that reach farther upwards than downwards."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=rows)
    at = pa.array(np.arange(rows), pa.timestamp("s", "UTC"))
    return pa.table({"x": x, "amount": 2 * x + generator.exponential(3.0, rows), "y": (x > 0).astype(int), "at": at})


def trained(rows=2000, seed=0, estimator=RIDGE, label="amount", **params):
    table = make_table(seed, rows)
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.combine_chunks().to_batches()[0], SPECS)))
    return train(table, transformer, label=label, estimator=estimator, params=params, holding=MEASURING)


@pytest.mark.parametrize(("estimator", "params"), [(RIDGE, {}), (HIST, {"max_iter": 3})])
def test_labels_lie_inside_as_often_as_promised(estimator, params):
    """Over many trainings the mean share of new rows inside is the confidence, at most a row's rank above."""
    new, inside = make_table(99, 500), {0.5: [], 0.9: []}
    labels = new["amount"].to_numpy()
    for seed in range(25):
        pipeline = trained(250, seed, estimator, **params).pipeline
        for confidence, shares in inside.items():
            found = predict_intervals(pipeline, new, confidence)
            shares.append(np.mean((labels >= found.low) & (labels <= found.high)))
    for confidence, shares in inside.items():
        assert confidence - 0.03 < np.mean(shares) < confidence + 0.05


def test_the_prediction_is_that_of_the_regressor():
    """Bounds lie around the score that evaluation sees, wider for more confidence, farther where errors are larger."""
    pipeline, new = trained().pipeline, make_table(5, 100)
    narrow, wide = (predict_intervals(pipeline, new, confidence) for confidence in (0.5, 0.95))
    assert narrow.prediction.tobytes() == predict_scores(pipeline, new).tobytes()
    assert np.all((wide.low < narrow.low) & (narrow.low < narrow.high) & (narrow.high < wide.high))
    assert np.all(wide.high - wide.prediction > wide.prediction - wide.low)


def test_a_row_has_the_same_bounds_alone():
    """Bit for bit, as its score."""
    pipeline, new = trained(estimator=HIST, max_iter=5).pipeline, make_table(5, 100)
    together, alone = predict_intervals(pipeline, new, 0.9), predict_intervals(pipeline, new.slice(7, 1), 0.9)
    assert (alone.low[0], alone.high[0]) == (together.low[7], together.high[7])


def test_bounds_are_the_ranks_of_the_errors():
    """Of 9 errors and 0.8 the bounds are the first and the last; more confidence than the rows allow is refused."""
    errors = np.array([-4.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0])
    conformal = ConformalRegressor.of(Zero(), np.zeros((9, 1)), errors[::-1])
    assert conformal.margins(0.8) == (-4.0, 8.0)
    assert conformal.margins(0.4) == (0.0, 3.0)
    with pytest.raises(DataError, match="9 rows were held back: too few") as caught:
        conformal.margins(0.81)
    assert "at most 0.8" in caught.value.next_step


class Zero:
    """Predicts nothing."""

    def predict(self, features):
        return np.zeros(len(features))


def test_many_errors_are_kept_by_fewer_that_are_not_narrower():
    """Beyond 10,000 errors the bounds are at most a step of ranks farther out, never nearer."""
    errors = np.random.default_rng(0).normal(size=3 * MOST_ERRORS + 17)
    kept = ConformalRegressor.of(Zero(), np.zeros((len(errors), 1)), errors)
    assert len(kept.below_) == len(kept.above_) == MOST_ERRORS
    ranks = np.sort(errors)
    for confidence in (0.1, 0.5, 0.9, 0.99, 0.9999):
        low, high = kept.margins(confidence)
        rank = int(np.ceil((len(errors) + 1) * (1 + confidence) / 2 - 1e-9))
        assert ranks[max(rank - 1, 0)] <= high <= ranks[min(rank + 3, len(errors) - 1)]
        assert ranks[max(len(errors) - rank - 4, 0)] <= low <= ranks[len(errors) - rank]


def test_a_model_with_intervals_is_stored_like_any(tmp_path):
    """Loaded, it gives the same bounds; equal trainings are equal files."""
    first = trained(estimator="lightgbm.LGBMRegressor", n_estimators=3)
    again = trained(estimator="lightgbm.LGBMRegressor", n_estimators=3)
    metadata = ModelMetadata(
        feature_names=("x",), label="amount", classes=first.classes, estimator="lightgbm.LGBMRegressor", params={},
        rows=1, unlabelled=0, train_start="", train_end="",
    )  # fmt: skip
    save_model(tmp_path, first.pipeline, b"{}", metadata)
    assert (tmp_path / "model.skops").read_bytes() == canonical_dumps(again.pipeline)
    new = make_table(5, 50)
    found = predict_intervals(load_model(tmp_path), new, 0.9)
    assert found.high.tobytes() == predict_intervals(first.pipeline, new, 0.9).high.tobytes()


def test_rows_held_back_are_encoded_by_labels_of_others_alone():
    """What learns from the label learns from the rows fitted on, for the rows held back: not from their own labels."""
    specs = specs_from_config(
        {"x": Feature(transform="numeric"), "c": Feature(transform="target_encoding", smoothing=0.0)},
        {"x": "float64", "c": "string", "id": "int64", "amount": "float64"}, label="amount", key=("id",),
    )  # fmt: skip
    generator = np.random.default_rng(3)
    table = make_table(0, 1000).append_column("c", pa.array(generator.choice(list("abcdefgh"), 1000)))
    table = table.append_column("id", pa.array(np.arange(1000)))
    graph = fit(specs, analyze(table, specs))
    transformer = GraphTransformer.of(graph)
    asked = {"label": "amount", "estimator": RIDGE, "params": {}, "holding": MEASURING}
    trained = train(table, transformer, unseen=lambda rows: GraphTransformer.of(learnt_from(graph, rows)), **asked)
    fitted, held = table.slice(0, 600), table.slice(600)
    blind = fit(specs, analyze(fitted, specs))
    assert learnt_from(graph, fitted).features[0] == graph.features[0]
    errors = held["amount"].to_numpy() - trained.pipeline[-1].predict(blind.apply(held))
    assert trained.pipeline[-1].below_.tobytes() == np.sort(errors).tobytes()
    assert trained.pipeline[0].graph == graph
    plain = train(table, transformer, **asked)
    assert plain.pipeline[-1].below_.tobytes() != np.sort(errors).tobytes()
    assert np.array_equal(plain.pipeline[-1].estimator.coef_, trained.pipeline[-1].estimator.coef_)


def test_what_has_no_intervals_says_so():
    """A model trained without them, a classifier, and what is no confidence."""
    with pytest.raises(ModelError, match="is a classifier: its predictions have no intervals"):
        trained(label="y", estimator="sklearn.linear_model.LogisticRegression")
    with pytest.raises(ModelError, match="is no confidence"):
        predict_intervals(trained().pipeline, make_table(1, 5), 1.0)
    table = make_table(0, 100)
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    plain = train(table, transformer, label="amount", estimator=RIDGE, params={})
    with pytest.raises(ModelError, match="trained without prediction intervals") as caught:
        predict_intervals(plain.pipeline, table, 0.9)
    assert caught.value.where == "model.intervals"


@pytest.mark.parametrize(
    ("estimator", "params"),
    [
        ("sklearn.ensemble.GradientBoostingRegressor", {"loss": "quantile", "alpha": 0.9, "n_estimators": 40}),
        (HIST, {"loss": "quantile", "quantile": 0.9, "max_iter": 40}),
        ("sklearn.linear_model.QuantileRegressor", {"quantile": 0.9, "alpha": 0.0}),
        ("lightgbm.LGBMRegressor", {"objective": "quantile", "alpha": 0.9, "n_estimators": 40}),
        ("xgboost.XGBRegressor", {"objective": "reg:quantileerror", "quantile_alpha": 0.9, "n_estimators": 40}),
        ("catboost.CatBoostRegressor", {"loss_function": "Quantile:alpha=0.9", "n_estimators": 200}),
    ],
)
def test_quantile_regression_of_every_library(tmp_path, estimator, params):
    """About nine in ten new labels lie below the prediction of the 0.9 quantile, and the model can be stored."""
    table, new = make_table(0, 2000), make_table(1, 4000)
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.combine_chunks().to_batches()[0], SPECS)))
    fitted = train(table, transformer, label="amount", estimator=estimator, params=params)
    metadata = ModelMetadata(
        feature_names=("x",), label="amount", classes=fitted.classes, estimator=estimator, params=params, rows=1,
        unlabelled=0, train_start="", train_end="",
    )  # fmt: skip
    save_model(tmp_path, fitted.pipeline, b"{}", metadata)
    below = new["amount"].to_numpy() <= predict_scores(load_model(tmp_path), new)
    assert 0.85 < below.mean() < 0.95
