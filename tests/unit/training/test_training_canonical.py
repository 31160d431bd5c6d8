"""Model files depend on the model alone: not on the process, its hash seed, its memory or the time."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from mlcore.training.audit import ALLOWED_TYPES
from mlcore.training.canonical import canonical_dumps

MODELS = {
    "hist": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=7, categorical_features=[0]),
    "logistic": lambda: LogisticRegression(random_state=0),
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=1),
    "extra": lambda: ExtraTreesClassifier(n_estimators=3, random_state=1),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5, random_state=1),
    "pipeline": lambda: Pipeline(
        [("scale", StandardScaler()), ("model", LogisticRegression(class_weight={0: 1.0, 1: 2.0}))]
    ),
    "encoder": lambda: OneHotEncoder(),
}


def fitted(name):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(600, 5))
    features[:, 0] = generator.integers(0, 5, 600)
    labels = (features[:, 1] + generator.normal(size=600) > 0).astype(int)
    with threadpool_limits(1):
        return MODELS[name]().fit(features, labels), features


def digests():
    return {name: hashlib.sha256(canonical_dumps(fitted(name)[0])).hexdigest() for name in sorted(MODELS)}


@pytest.fixture(scope="module")
def here():
    return digests()


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_other_processes_write_the_same_bytes(here, seed):
    """Fits in processes with other hash seeds and other garbage in memory give the same bytes."""
    code = (
        "import sys, importlib.util as u, numpy as np\n"
        f"junk = [np.full(n, {seed}, dtype=np.int64) for n in range(1, 3000, 7)]; del junk\n"
        f"spec = u.spec_from_file_location('t', {__file__!r})\n"
        "t = u.module_from_spec(spec); spec.loader.exec_module(t)\n"
        "print(t.digests())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert output.stdout.strip() == str(here)


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"encoder"}))
def test_loaded_model_predicts_the_same_bits(name):
    """Skops loads the canonical form, and the loaded model's probabilities are equal bit for bit."""
    model, features = fitted(name)
    loaded = skops.io.loads(canonical_dumps(model), trusted=list(ALLOWED_TYPES))
    assert loaded.predict_proba(features).tobytes() == model.predict_proba(features).tobytes()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_saving_a_loaded_model_gives_its_file_again(name):
    """Load and save is the identity on canonical files."""
    data = canonical_dumps(fitted(name)[0])
    assert canonical_dumps(skops.io.loads(data, trusted=list(ALLOWED_TYPES))) == data


def test_other_models_have_other_bytes():
    """One row more gives another file."""
    features = np.arange(20.0).reshape(-1, 1)
    labels = np.arange(20) > 9
    one = LogisticRegression().fit(features, labels)
    two = LogisticRegression().fit(features[:-1], labels[:-1])
    assert canonical_dumps(one) != canonical_dumps(two)


def test_sharing_of_mutable_parts_survives():
    """What two places of a model share is one object again after loading."""
    shared = np.arange(3.0)
    model = LogisticRegression()
    model.one, model.two, model.other = shared, shared, shared.copy()
    loaded = skops.io.loads(canonical_dumps(model))
    assert loaded.one is loaded.two
    assert loaded.other is not loaded.one


def test_sets_are_sorted():
    """The order in which a set was filled leaves no trace."""
    one, two = LogisticRegression(), LogisticRegression()
    one.words = set(map(str, range(50)))
    two.words = set(map(str, reversed(range(50))))
    assert canonical_dumps(one) == canonical_dumps(two)
    assert skops.io.loads(canonical_dumps(one)).words == one.words


def test_archive_has_no_time_and_no_addresses():
    """Entries carry one fixed time and are named by their content."""
    with zipfile.ZipFile(io.BytesIO(canonical_dumps(fitted("forest")[0]))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist() == sorted(archive.namelist())
