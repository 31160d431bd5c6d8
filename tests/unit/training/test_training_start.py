"""Going on from a champion: what is learnt is kept, the same bytes again, and cold where it cannot be."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.errors import ModelError
from mlcore.training.calibrate import Calibrating
from mlcore.training.canonical import canonical_dumps
from mlcore.training.estimators import resolve_estimator
from mlcore.training.model import ModelMetadata, load_model, save_model
from mlcore.training.predict import predict_scores
from mlcore.training.start import MOST_GROWTH, Start, unwrapped, way_of
from mlcore.training.train import only_by_blocks, train, train_streaming
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

SPECS = specs_from_config(
    {"a": Feature(transform="scale_to_z_score"), "b": Feature(transform="numeric")}, {"a": "float64", "b": "float64"}
)
TREES = {"n_estimators": 3, "max_depth": 2}


def make_table(seed, rows=400, classes=2):
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=rows), generator.normal(seed, 1, size=rows)
    y = np.clip(np.digitize(a + generator.normal(size=rows), [0.0, 1.0]), 0, classes - 1)
    at = pa.array(np.arange(rows) + rows * seed, pa.timestamp("s", "UTC"))
    return pa.table({"a": a, "b": b, "y": y, "amount": a - b, "at": at})


OLD, NEW = make_table(0), make_table(1)


def transformer_of(table):
    return GraphTransformer.of(fit(SPECS, analyze(table.combine_chunks().to_batches()[0], SPECS)))


def champion_of(estimator, params, folder, label="y", holding=None):
    """A champion trained on the old rows, stored, and read again as a run reads it."""
    asked = {"label": label, "estimator": estimator, "params": params}
    trained = train(OLD, transformer_of(OLD), **asked, holding=holding)
    metadata = ModelMetadata(
        feature_names=("a", "b"), label=label, classes=trained.classes, estimator=estimator, params=params, rows=1,
        unlabelled=0, train_start="", train_end="",
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    save_model(folder, trained.pipeline, b"{}", metadata)

    def start():
        pipeline = load_model(folder)
        return Start(
            digest="sha256:champion",
            estimator=estimator,
            model=unwrapped(pipeline[-1]),
            transformer=pipeline[0],
            alike=True,
        )

    return start


def rows_of(table):
    def source(columns):
        return iter(table.select(list(columns)).to_batches(max_chunksize=64))

    return source


def gone_on(start, estimator, params, label="y", table=NEW):
    asked = {"label": label, "estimator": estimator, "params": params, "start": start}
    if only_by_blocks(start, resolve_estimator(estimator, params)):
        return train_streaming(rows_of(table), transformer_of(table), columns=["a", "b"], **asked)
    return train(table, transformer_of(table), **asked)


@pytest.mark.parametrize(
    ("estimator", "label", "params"),
    [
        ("sklearn.linear_model.LogisticRegression", "y", {"tol": 0.05}),
        ("sklearn.linear_model.SGDClassifier", "y", {"loss": "log_loss", "max_iter": 2, "tol": None}),
        ("sklearn.ensemble.GradientBoostingClassifier", "y", TREES),
        ("sklearn.ensemble.RandomForestRegressor", "amount", TREES),
        ("sklearn.naive_bayes.GaussianNB", "y", {}),
        ("sklearn.neural_network.MLPRegressor", "amount", {"hidden_layer_sizes": [3], "max_iter": 2, "tol": 10.0}),
        ("lightgbm.LGBMClassifier", "y", TREES),
        ("lightgbm.LGBMRegressor", "amount", TREES),
        ("xgboost.XGBClassifier", "y", TREES),
        ("catboost.CatBoostClassifier", "y", TREES),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_model_goes_on_from_its_champion(tmp_path, estimator, label, params):
    """It differs from a cold one, has the champion's transform, is the same bytes again, and can be stored."""
    start = champion_of(estimator, params, tmp_path / "old", label)
    first, again = (gone_on(start(), estimator, params, label) for _ in range(2))
    cold = train(NEW, transformer_of(NEW), label=label, estimator=estimator, params=params)
    assert canonical_dumps(first.pipeline) == canonical_dumps(again.pipeline) != canonical_dumps(cold.pipeline)
    assert (first.started_from, first.cold_because) == ("sha256:champion", "")
    assert (cold.started_from, cold.cold_because) == ("", "")
    assert first.pipeline[0].graph_json == transformer_of(OLD).graph_json
    assert predict_scores(first.pipeline, NEW).tobytes() != predict_scores(cold.pipeline, NEW).tobytes()
    (tmp_path / "old" / "model.skops").write_bytes(canonical_dumps(first.pipeline))
    loaded = load_model(tmp_path / "old")
    assert predict_scores(loaded, NEW).tobytes() == predict_scores(first.pipeline, NEW).tobytes()


@pytest.mark.parametrize(
    ("estimator", "count"),
    [
        ("sklearn.ensemble.GradientBoostingClassifier", lambda model: len(model.estimators_)),
        ("lightgbm.LGBMClassifier", lambda model: model.booster_.current_iteration()),
        ("xgboost.XGBClassifier", lambda model: model.get_booster().num_boosted_rounds()),
        ("catboost.CatBoostClassifier", lambda model: model.tree_count_),
    ],
)
def test_trees_are_added_to_the_champions(tmp_path, estimator, count):
    """The champion's trees stay, as many as configured are added, and beyond ten times as many it starts cold."""
    start = champion_of(estimator, TREES, tmp_path)
    assert count(gone_on(start(), estimator, TREES).pipeline[-1]) == 6
    few = {**TREES, "n_estimators": 1}
    many = champion_of(estimator, {**TREES, "n_estimators": MOST_GROWTH}, tmp_path)
    cold = gone_on(many(), estimator, few)
    assert cold.cold_because.startswith(f"the champion has {MOST_GROWTH} trees")
    assert (count(cold.pipeline[-1]), cold.started_from) == (1, "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"estimator": "sklearn.linear_model.SGDClassifier"}, "the champion is a sklearn.linear_model.SGDClassifier"),
        ({"alike": False}, "the champion has other features or another label"),
    ],
)
def test_another_champion_is_a_cold_start(tmp_path, change, reason):
    """Of another estimator or other features the model is that of a cold start, with the new transform."""
    estimator = "sklearn.linear_model.LogisticRegression"
    start = replace(champion_of(estimator, {}, tmp_path)(), **change)
    trained = gone_on(start, estimator, {})
    cold = train(NEW, transformer_of(NEW), label="y", estimator=estimator, params={})
    assert (trained.cold_because, trained.started_from) == (reason, "")
    assert canonical_dumps(trained.pipeline) == canonical_dumps(cold.pipeline)


def test_other_classes_are_a_cold_start(tmp_path):
    """A class that the champion does not know cannot be taught to it, at once or block by block."""
    three = make_table(2, classes=3)
    for estimator in ("sklearn.linear_model.LogisticRegression", "sklearn.naive_bayes.GaussianNB"):
        trained = gone_on(champion_of(estimator, {}, tmp_path)(), estimator, {}, table=three)
        assert trained.cold_because == "the champion knows 2 classes, the rows have 3, not the same"
        assert trained.classes == (0, 1, 2)


def test_a_calibrated_champion_is_gone_on_from_without_its_calibration(tmp_path):
    """The estimator inside is what is gone on from."""
    estimator = "sklearn.linear_model.LogisticRegression"
    holding = Calibrating(method="sigmoid", share=0.3, timestamp="at")
    start = champion_of(estimator, {}, tmp_path, holding=holding)()
    assert type(start.model).__name__ == "LogisticRegression"
    assert gone_on(start, estimator, {}).started_from


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        ("sklearn.ensemble.HistGradientBoostingClassifier", "its warm_start is for the same rows only"),
        ("sklearn.tree.DecisionTreeClassifier", "it has neither warm_start nor partial_fit"),
    ],
)
def test_an_estimator_that_cannot_go_on_says_so(estimator, words):
    """The error names it, why, and which can."""
    with pytest.raises(ModelError, match=words) as caught:
        way_of(resolve_estimator(estimator, {}))
    assert caught.value.where == "model.warm_start"
