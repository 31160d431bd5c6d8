"""The same rows give the same bytes, whatever the process, its hash seed, and the threads its libraries may have."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from mlcore.config.model import Feature
from mlcore.training.canonical import canonical_dumps
from mlcore.training.estimators import resolve_estimator
from mlcore.training.train import train
from mlcore.transform.fitting import fit
from mlcore.transform.specs import specs_from_config
from mlcore.transform.state import analyze
from mlcore.transform.transformer import GraphTransformer

FEW = {"n_estimators": 3, "max_depth": 3}
ESTIMATORS: Mapping[str, dict[str, object]] = {
    "sklearn.linear_model.LogisticRegression": {},
    "sklearn.linear_model.SGDClassifier": {"loss": "log_loss", "max_iter": 5, "tol": None},
    "sklearn.linear_model.Ridge": {},
    "sklearn.neural_network.MLPClassifier": {"hidden_layer_sizes": [5], "max_iter": 3, "tol": 10.0},
    "sklearn.ensemble.RandomForestClassifier": {**FEW, "n_jobs": -1},
    "sklearn.ensemble.ExtraTreesRegressor": {**FEW, "n_jobs": 2},
    "sklearn.ensemble.GradientBoostingClassifier": FEW,
    "sklearn.ensemble.HistGradientBoostingClassifier": {"max_iter": 3},
    "sklearn.ensemble.BaggingClassifier": {"n_estimators": 3},
    "sklearn.naive_bayes.GaussianNB": {},
    "lightgbm.LGBMClassifier": {**FEW, "subsample": 0.5, "subsample_freq": 1},
    "lightgbm.LGBMRegressor": {**FEW, "n_jobs": -1},
    "xgboost.XGBClassifier": {**FEW, "subsample": 0.5},
    "xgboost.XGBRegressor": {**FEW, "nthread": 0},
    "catboost.CatBoostClassifier": FEW,
    "catboost.CatBoostRegressor": {**FEW, "thread_count": -1},
}
SPECS = specs_from_config(
    {"a": Feature(transform="scale_to_z_score"), "b": Feature(transform="one_hot")}, {"a": "float64", "b": "string"}
)


def digests():
    """The digest of each estimator's model of the same rows."""
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=600), generator.choice(["x", "y", "z"], 600)
    table = pa.table({"a": a, "b": b, "y": (a + (b == "x") + generator.normal(size=600) > 0).astype(int)})
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    found = {}
    for estimator, params in ESTIMATORS.items():
        trained = train(table, transformer, label="y", estimator=estimator, params=params)
        found[estimator] = hashlib.sha256(canonical_dumps(trained.pipeline)).hexdigest()
    return found


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_another_process_with_other_threads_writes_the_same_bytes():
    """A dozen and more estimators of four libraries, some asking for all threads there are."""
    code = (
        "import importlib.util as u, warnings; warnings.simplefilter('ignore')\n"
        f"spec = u.spec_from_file_location('t', {__file__!r})\n"
        "t = u.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "print(t.digests())"
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "4")
    environment = {**os.environ, **threads, "PYTHONHASHSEED": "77"}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == str(digests())


@pytest.mark.parametrize(
    ("estimator", "given", "name", "expected"),
    [
        ("lightgbm.LGBMClassifier", {}, "n_jobs", 1),
        ("lightgbm.LGBMClassifier", {"num_threads": 2}, "num_threads", 2),
        ("xgboost.XGBClassifier", {}, "n_jobs", 1),
        ("catboost.CatBoostClassifier", {"thread_count": -1}, "thread_count", 1),
        ("catboost.CatBoostClassifier", {"random_seed": 3}, "random_seed", 3),
        ("sklearn.ensemble.RandomForestClassifier", {"n_jobs": -1}, "n_jobs", 1),
        ("sklearn.ensemble.RandomForestClassifier", {"n_jobs": 2}, "n_jobs", 2),
        ("sklearn.ensemble.RandomForestClassifier", {}, "n_jobs", None),
    ],
)
def test_threads_are_those_that_are_given_or_one(estimator, given, name, expected):
    """What stands for the threads of a machine is one; a number is kept; other names of a parameter count as given."""
    params = resolve_estimator(estimator, given).get_params()
    assert params[name] == expected
    assert name == "n_jobs" or params.get("n_jobs") is None
