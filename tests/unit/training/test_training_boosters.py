"""Estimators of other libraries are trained, stored and loaded like scikit-learn's."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.training.model import ModelMetadata, library_versions, load_model, save_model
from mlcore.training.predict import predict_scores
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

SPECS = specs_from_config(
    {"a": Feature(transform="numeric"), "b": Feature(transform="numeric")}, {"a": "float64", "b": "float64"}
)


def make_table(rows=500):
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=rows), generator.normal(size=rows)
    return pa.table({"a": a, "b": b, "y": (a - b + generator.normal(size=rows) > 0).astype(np.int8), "amount": a - b})


@pytest.mark.parametrize(
    ("estimator", "label", "library"),
    [
        ("lightgbm.LGBMClassifier", "y", "lightgbm"),
        ("lightgbm.LGBMRegressor", "amount", "lightgbm"),
        ("xgboost.XGBClassifier", "y", "xgboost"),
        ("xgboost.XGBRegressor", "amount", "xgboost"),
    ],
)
def test_boosters_are_stored_and_give_the_same_bits(tmp_path, estimator, label, library):
    """Two fits are equal files, the loaded model predicts the same bits, and its library's version is recorded."""
    table, files = make_table(), set()
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    params = {"n_estimators": 5, "n_jobs": 1} | ({"verbose": -1} if library == "lightgbm" else {})
    for name in ("one", "two"):
        trained = train(table, transformer, label=label, estimator=estimator, params=params)
        folder = tmp_path / name
        folder.mkdir()
        save_model(folder, trained.pipeline, b"{}", metadata(estimator, label))
        files.add((folder / "model.skops").read_bytes())
    assert len(files) == 1
    scores = predict_scores(load_model(folder), table)
    assert scores.tobytes() == predict_scores(trained.pipeline, table).tobytes()
    assert any(name.startswith(library) for name in library_versions(estimator))


def metadata(estimator, label):
    return ModelMetadata(
        feature_names=("a", "b"), label=label, classes=(), estimator=estimator, params={}, rows=1, unlabelled=0,
        train_start="", train_end="",
    )  # fmt: skip
