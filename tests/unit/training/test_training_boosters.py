"""Estimators of other libraries are trained, stored and loaded like scikit-learn's."""

import io
import json
import re
import zipfile

import numpy as np
import pyarrow as pa
import pytest
import skops.io

from mlcore.config.model import Feature
from mlcore.errors import UntrustedModel
from mlcore.training.boosters import Unsound, check_lightgbm
from mlcore.training.canonical import canonical_dumps
from mlcore.training.estimators import resolve_estimator
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
    labels = {
        "y": (a - b + generator.normal(size=rows) > 0).astype(np.int8),
        "amount": a - b,
        "three": np.arange(rows) % 3,
    }
    return pa.table({"a": a, "b": b, **labels})


@pytest.mark.parametrize(
    ("estimator", "label", "library"),
    [
        ("lightgbm.LGBMClassifier", "y", "lightgbm"),
        ("lightgbm.LGBMRegressor", "amount", "lightgbm"),
        ("xgboost.XGBClassifier", "y", "xgboost"),
        ("xgboost.XGBRegressor", "amount", "xgboost"),
        ("catboost.CatBoostClassifier", "y", "catboost"),
        ("catboost.CatBoostRegressor", "amount", "catboost"),
    ],
)
def test_boosters_are_stored_and_give_the_same_bits(tmp_path, estimator, label, library):
    """Two fits are equal files, the loaded model predicts the same bits, and its library's version is recorded."""
    table, files = make_table(), set()
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    params = {"n_estimators": 5}
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


def stored(estimator, label="amount", **params):
    """A model file, its schema and the names of its entries."""
    table = make_table(300)
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    trained = train(table, transformer, label=label, estimator=estimator, params={"n_estimators": 2, **params})
    return canonical_dumps(trained.pipeline)


LIGHTGBM = stored("lightgbm.LGBMRegressor", max_depth=2)
XGBOOST = stored("xgboost.XGBRegressor", max_depth=2)


def forged(data, change, binary=None):
    """The file with its schema changed, and its binary entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                change(schema)
                content = json.dumps(schema).encode()
            target.writestr(name, binary(content) if binary and name.endswith(".bin") else content)
    return buffer.getvalue()


def node_of(schema, name):
    """The first node of a class, anywhere."""
    if isinstance(schema, dict) and schema.get("__class__") == name:
        return schema
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return next(filter(None, (node_of(part, name) for part in parts)), None)


def with_text(change):
    def changed(schema):
        handle = node_of(schema, "Booster")["content"]["content"]["_handle"]
        text = change(json.loads(handle["content"]))
        handle["content"] = json.dumps(text)

    return changed


def first_of(name, value):
    """The first number of a line of LightGBM's first tree changed."""
    return with_text(lambda text: re.sub(rf"(?m)^{name}=\S+", f"{name}={value}", text, count=1))


@pytest.mark.parametrize(
    "change",
    [
        first_of("left_child", "1000000"),
        first_of("left_child", "0"),
        first_of("right_child", "-99"),
        first_of("split_feature", "7"),
        first_of("decision_type", "3"),
        first_of("num_leaves", "900"),
        first_of("is_linear", "1"),
        first_of("tree_sizes", "100000"),
        first_of("tree_sizes", "17"),
        first_of("max_feature_idx", "many"),
        with_text(lambda text: text.replace("Tree=0", "Tree=0\nleft_child=9 9 9", 1)),
        with_text(lambda text: text + "\0"),
        with_text(lambda text: None),
        with_text(lambda text: 140_000_000),
    ],
)
def test_a_lightgbm_tree_that_points_outside_is_refused(tmp_path, change):
    """Indices, sizes and kinds that would make the library read foreign memory are told before it is given the text."""
    (tmp_path / "model.skops").write_bytes(forged(LIGHTGBM, change))
    with pytest.raises(UntrustedModel, match=r"LightGBM|lightgbm\.basic\.Booster"):
        load_model(tmp_path)


TWO = (2).to_bytes(8, "big")


def of_array(name, value):
    """The first number of an array of XGBoost's first tree changed."""

    def changed(data):
        at = data.index(name.encode() + b"[$l#L") + len(name) + len("[$l#L") + 8
        return data[:at] + value.to_bytes(4, "big", signed=True) + data[at + 4 :]

    return changed


@pytest.mark.parametrize(
    "binary",
    [
        of_array("left_children", 1_000_000),
        of_array("left_children", 0),
        of_array("right_children", -7),
        of_array("split_indices", 2),
        lambda data: data.replace(b"tree_info[#L" + TWO + b"i\0i\0", b"tree_info[#L" + TWO + b"i\0i\5"),
        lambda data: data.replace(b"tree_info[#L" + TWO + b"i\0i\0", b"tree_info[#L" + TWO + b"i\0i\xff"),
        lambda data: data[:-9],
        lambda data: data + b"Z",
        lambda data: b'{"Model": {}}',
        lambda data: b"{L" + (2**62).to_bytes(8, "big") + data[10:],
        lambda data: b"{i\x01a" + b"[" * 5000,
    ],
)
def test_an_xgboost_tree_that_points_outside_is_refused(tmp_path, binary):
    """Indices out of range, a tree that leads back, and what is no such document, are told before it is read."""
    (tmp_path / "model.skops").write_bytes(forged(XGBOOST, lambda schema: None, binary))
    with pytest.raises(UntrustedModel, match="XGBoost model that cannot be read"):
        load_model(tmp_path)


def test_categories_of_lightgbm_are_looked_at():
    """A tree that splits categories passes; one whose bits are fewer than it says does not."""
    features = np.column_stack([np.arange(400) % 7, np.random.default_rng(0).normal(size=400)])
    params = {"n_estimators": 3, "min_data_per_group": 10, "cat_smooth": 1}
    model = resolve_estimator("lightgbm.LGBMRegressor", params)
    text = model.fit(features, features[:, 0] % 3, categorical_feature=[0]).booster_.model_to_string()
    assert re.search(r"(?m)^num_cat=[1-9]", text)
    check_lightgbm(text)
    splits = len(re.search(r"(?m)^threshold=(.*)", text)[1].split())
    for name, value in (("cat_threshold", ""), ("cat_boundaries", "0 9"), ("threshold", " ".join(["99"] * splits))):
        changed = re.sub(rf"(?m)^{name}=.*", f"{name}={value}", text, count=1)
        shorter = len(text.encode()) - len(changed.encode())
        first = int(re.search(r"tree_sizes=(\d+)", text)[1])
        with pytest.raises(Unsound, match="tree 0 points outside"):
            check_lightgbm(changed.replace(f"tree_sizes={first}", f"tree_sizes={first - shorter}"))


def made_by_its_constructor(schema):
    """Skops then calls Booster(*content), which opens the file that is named."""
    node = node_of(schema, "Booster")
    node["__loader__"] = "ConstructorFromReduceNode"
    text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": '"/etc/hosts"'}
    node["content"] = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}


def with_a_function(schema):
    """A callable in the place of a parameter; the function itself is one that skops may build."""
    node_of(schema, "LGBMRegressor")["content"]["content"]["objective"] = {
        "__class__": "check_array", "__module__": "sklearn.utils.validation", "__loader__": "FunctionNode",
        "content": {"module_path": "sklearn.utils.validation", "function": "check_array"},
    }  # fmt: skip


def with_another_text_behind_its_id(schema):
    """Skops reads the first node of an id, wherever another of the same id stands."""
    booster = node_of(schema, "Booster")["content"]["content"]
    booster["_handle"]["__id__"] = 77
    hostile = {**booster["_handle"], "content": json.dumps("tree\nTree=0\nleft_child=99999")}
    steps = schema["content"]["content"]
    schema["content"]["content"] = {"verbose_feature_names_out": hostile, **steps}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (made_by_its_constructor, "Booster, read by ConstructorFromReduceNode"),
        (with_a_function, "LGBMRegressor with .*FunctionNode"),
        (with_another_text_behind_its_id, "with one id"),
    ],
)
def test_a_booster_is_its_state_and_nothing_else(tmp_path, monkeypatch, change, words):
    """Constructors that open files, functions and texts behind another's id are refused, and nothing is built."""
    (tmp_path / "model.skops").write_bytes(forged(LIGHTGBM, change))
    monkeypatch.setattr(skops.io, "loads", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(UntrustedModel, match=words):
        load_model(tmp_path)


def test_a_loss_of_ones_own_is_refused_when_it_is_saved(tmp_path):
    """A model with a function in it could not be loaded again: the function is named."""
    table = make_table(300)
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    trained = train(table, transformer, label="amount", estimator="lightgbm.LGBMRegressor", params={"n_estimators": 1})
    trained.pipeline[-1].set_params(objective=make_table)
    with pytest.raises(UntrustedModel, match="make_table"):
        save_model(tmp_path, trained.pipeline, b"{}", metadata("lightgbm.LGBMRegressor", "amount"))


@pytest.mark.parametrize(
    ("estimator", "label", "params"),
    [
        ("lightgbm.LGBMClassifier", "y", {"linear_tree": True}),
        ("lightgbm.LGBMClassifier", "three", {"boosting_type": "dart"}),
        ("lightgbm.LGBMClassifier", "y", {"min_child_samples": 5000}),
        ("xgboost.XGBClassifier", "three", {}),
        ("xgboost.XGBRegressor", "amount", {"booster": "gblinear"}),
        ("xgboost.XGBRegressor", "amount", {"booster": "dart"}),
        ("xgboost.XGBClassifier", "y", {"enable_categorical": True, "feature_types": ["c", "q"]}),
        ("xgboost.XGBRegressor", "amount", {"grow_policy": "lossguide", "gamma": 1.0, "tree_method": "exact"}),
    ],
)
def test_sound_boosters_of_every_kind_are_loaded(tmp_path, estimator, label, params):
    """Trees with categories, lines or dropouts, linear boosters and several classes pass, and predict the same bits."""
    table = make_table(300)
    table = table.set_column(0, "a", pa.array(np.floor(np.abs(table["a"].to_numpy()) * 3)))
    transformer = GraphTransformer.of(fit(SPECS, analyze(table.to_batches()[0], SPECS)))
    asked = {"n_estimators": 3, **params}
    trained = train(table, transformer, label=label, estimator=estimator, params=asked)
    save_model(tmp_path, trained.pipeline, b"{}", metadata(estimator, label))
    scores = predict_scores(load_model(tmp_path), table)
    assert scores.tobytes() == predict_scores(trained.pipeline, table).tobytes()


def test_catboost_is_stored_without_the_time(tmp_path):
    """Two fits are equal files, though CatBoost writes a moment and a number of its own; another binary is refused."""
    files = {stored("catboost.CatBoostClassifier", "y", max_depth=2) for _ in range(2)}
    assert len(files) == 1
    (tmp_path / "model.skops").write_bytes(forged(files.pop(), lambda schema: None, lambda data: b"XXXX" + data[4:]))
    with pytest.raises(UntrustedModel, match="CatBoost"):
        load_model(tmp_path)
