"""Model folders: audited before they are built, the same bytes for the same content."""

import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mlcore.errors import ArtifactCorrupt, ArtifactMissing, ModelError, UntrustedModel
from mlcore.training.canonical import canonical_dumps
from mlcore.training.model import MODEL_FILE, ModelMetadata, load_model, read_metadata, save_model

METADATA = ModelMetadata(
    feature_names=("a", "b"),
    label="late",
    classes=(0, 1),
    estimator="sklearn.linear_model.LogisticRegression",
    params={"C": 0.5},
    rows=100,
    unlabelled=3,
    train_start="2013-01-02T00:00:00Z",
    train_end="2013-03-03T00:00:00Z",
)


def make_pipeline(estimator=None):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(200, 2))
    labels = features[:, 0] + generator.normal(size=200) > 0
    last = LogisticRegression() if estimator is None else estimator
    pipeline = Pipeline([("transform", StandardScaler()), ("estimator", last)])
    return pipeline.fit(features, labels), features


def forged(data, change):
    """The model file with its schema changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name == "schema.json" else content)
    return buffer.getvalue()


def test_round_trip(tmp_path):
    """A loaded pipeline predicts the same bits, and its metadata are those that were written."""
    pipeline, features = make_pipeline()
    save_model(tmp_path, pipeline, b"{}", METADATA)
    assert load_model(tmp_path).predict_proba(features).tobytes() == pipeline.predict_proba(features).tobytes()
    assert read_metadata(tmp_path) == METADATA
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.skops", "transform_graph.json"]


def test_equal_runs_write_equal_folders(tmp_path):
    """Two fits on the same rows give the same three files."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        save_model(folder, make_pipeline()[0], b"{}", METADATA)
    for path in folders[0].iterdir():
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen"])
def test_file_with_another_type_is_not_built(tmp_path, name, monkeypatch):
    """A file that names a type of another kind is refused, with the type's name, before anything is built."""
    pipeline, _ = make_pipeline()
    save_model(tmp_path, pipeline, b"{}", METADATA)
    module, _, attribute = name.rpartition(".")

    def change(schema):
        text = schema.decode().replace('"__class__":"StandardScaler"', f'"__class__":"{attribute}"')
        return text.replace('"__module__":"sklearn.preprocessing._data"', f'"__module__":"{module}"').encode()

    data = forged((tmp_path / MODEL_FILE).read_bytes(), change)
    (tmp_path / MODEL_FILE).write_bytes(data)
    monkeypatch.setattr(skops.io, "loads", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(UntrustedModel, match=name):
        load_model(tmp_path)


def test_function_of_a_pipeline_is_audited_when_saved(tmp_path):
    """A pipeline that could not be loaded again is refused when it is saved."""
    pipeline, _ = make_pipeline()
    pipeline.steps.insert(1, ("odd", FunctionTransformer(json.dumps)))
    with pytest.raises(UntrustedModel, match=r"json\.dumps"):
        save_model(tmp_path, pipeline, b"{}", METADATA)


def damaged_trees():
    """Models whose trees would make scikit-learn read foreign memory, or go round for ever."""
    for field, value in (("left", 10**6), ("right", 0), ("feature_idx", 99), ("bitset_idx", 10**6)):
        pipeline, _ = make_pipeline(HistGradientBoostingClassifier(max_iter=2, random_state=0))
        node = pipeline[-1]._predictors[1][0].nodes[0:1]
        node[field] = value
        if field == "bitset_idx":
            node["is_categorical"] = 1
        yield pytest.param(pipeline, id=f"hist-{field}")
    for field, value in (("left_child", 10**6), ("right_child", 0), ("feature", -7)):
        pipeline, _ = make_pipeline(RandomForestClassifier(n_estimators=2, random_state=0))
        tree = pipeline[-1].estimators_[1].tree_
        state = tree.__getstate__()
        state["nodes"][field][0] = value
        tree.__setstate__(state)
        yield pytest.param(pipeline, id=f"forest-{field}")


@pytest.mark.parametrize("pipeline", list(damaged_trees()))
def test_tree_that_points_outside_is_refused(tmp_path, pipeline):
    """A file with an index that leaves its tree, or leads back, is refused before it predicts."""
    (tmp_path / MODEL_FILE).write_bytes(canonical_dumps(pipeline))
    with pytest.raises(UntrustedModel, match="points outside"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=3, random_state=0, categorical_features=[0]),
        GradientBoostingClassifier(n_estimators=3),
        VotingClassifier([("forest", RandomForestClassifier(n_estimators=2))], voting="soft"),
    ],
)
def test_sound_trees_are_loaded(tmp_path, estimator):
    """Trees that scikit-learn grew pass the check, also inside of other estimators."""
    generator = np.random.default_rng(1)
    features = np.column_stack([generator.integers(0, 9, 300), generator.normal(size=300)])
    pipeline = Pipeline([("transform", FunctionTransformer()), ("estimator", estimator)])
    pipeline.fit(features, features[:, 0] % 2 == 0)
    save_model(tmp_path, pipeline, b"{}", METADATA)
    assert np.array_equal(load_model(tmp_path).predict_proba(features), pipeline.predict_proba(features))


@pytest.mark.parametrize("content", [b"", b"not a zip file", canonical_dumps(LogisticRegression())[:200]])
def test_damaged_file(tmp_path, content):
    """A file that is no model is an error that names it."""
    (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read") as caught:
        load_model(tmp_path)
    assert MODEL_FILE in caught.value.where


def test_missing_files(tmp_path):
    """A folder without its files is an error that names them."""
    with pytest.raises(ArtifactMissing):
        load_model(tmp_path)
    with pytest.raises(ArtifactMissing):
        read_metadata(tmp_path)


def test_damaged_metadata(tmp_path):
    """Metadata without a key are damaged."""
    (tmp_path / "model.json").write_text('{"label": "late"}')
    with pytest.raises(ArtifactCorrupt):
        read_metadata(tmp_path)


def test_estimator_that_skops_cannot_save(tmp_path):
    """A model that holds an open file cannot be saved; the error names the estimator."""
    pipeline, _ = make_pipeline()
    pipeline[-1].log = pa.BufferReader(b"")
    with pytest.raises((ModelError, UntrustedModel), match=r"LogisticRegression|BufferReader"):
        save_model(tmp_path, pipeline, b"{}", METADATA)
