"""The exported model says of one row what it says of that row among a hundred thousand."""

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.training.model import ModelMetadata, load_model, save_model
from mlcore.training.predict import predict_scores
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

ROWS = 100_000
FEATURES = {
    "size": Feature(transform="scale_to_z_score"),
    "weight": Feature(transform="impute"),
    "colour": Feature(transform="one_hot"),
    "shop": Feature(transform="vocabulary"),
}
TYPES = {"size": "float64", "weight": "float64", "colour": "string", "shop": "string"}


def make_rows():
    random = np.random.default_rng(11)
    size = random.normal(size=ROWS)
    return pa.table(
        {
            "size": size,
            "weight": pa.array(random.normal(size=ROWS) * 1e3, mask=random.random(ROWS) < 0.1),
            "colour": random.integers(0, 5, ROWS).astype(str),
            "shop": random.integers(0, 300, ROWS).astype(str),
            "late": (size + random.normal(size=ROWS) > 0).astype(np.int8),
        }
    )


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.neural_network.MLPClassifier",
        "lightgbm.LGBMClassifier",
    ],
)
def test_one_row_has_the_bits_it_has_in_a_batch_of_100_000(tmp_path, estimator):
    """Trained, stored, loaded: rows of anywhere in the batch are the same alone, and as the trained model says."""
    rows = make_rows()
    some = rows.slice(0, 3_000)
    specs = specs_from_config(FEATURES, TYPES)
    transformer = GraphTransformer.of(fit(specs, analyze(some.combine_chunks().to_batches()[0], specs)))
    params = {"max_iter": 20} if "lightgbm" not in estimator else {"n_estimators": 20, "verbose": -1}
    params |= {"tol": 0.1} if "lightgbm" not in estimator else {}
    trained = train(some, transformer, label="late", estimator=estimator, params=params)
    metadata = ModelMetadata(
        feature_names=transformer.graph.feature_names, label="late", classes=trained.classes, estimator=estimator,
        params=params, rows=trained.rows, unlabelled=0, train_start="", train_end="",
    )  # fmt: skip
    save_model(tmp_path, trained.pipeline, b"{}", metadata)
    exported = load_model(tmp_path)
    together = predict_scores(exported, rows)
    assert together.tobytes() == predict_scores(trained.pipeline, rows).tobytes()
    for place in (0, 63, 64, 65_535, 65_536, 77_777, ROWS - 1):
        assert predict_scores(exported, rows.slice(place, 1)).tobytes() == together[place : place + 1].tobytes()
