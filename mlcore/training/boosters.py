"""What a model file may hold of LightGBM, XGBoost and CatBoost: their own models and plain parameters, checked unbuilt.

A booster is read by its library's own code, in C++, which trusts the indices of its trees. So before it is given
anything, the text of LightGBM and the binary of XGBoost are read here, and every index is looked at. CatBoost's binary
is a FlatBuffer; its indices are not looked at: what keeps a crafted one out is the digest that every artifact is
verified by.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.training.ubjson import read_ubjson

LIGHTGBM = "lightgbm.basic.Booster"
XGBOOST = "xgboost.core.Booster"
CATBOOST = ("catboost.core.CatBoostClassifier", "catboost.core.CatBoostRegressor")
BOOSTERS = (
    LIGHTGBM,
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    XGBOOST,
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    *CATBOOST,
)
_PLAIN = frozenset(
    {
        "JsonNode", "DictNode", "DefaultDictNode", "ListNode", "TupleNode", "NdArrayNode", "TypeNode", "BytesNode",
        "BytearrayNode",
    }
)  # fmt: skip
_WITHIN = frozenset({*BOOSTERS, "sklearn.preprocessing._label.LabelEncoder", "xgboost.sklearn.XGBLabelEncoder"})
_NAMES = frozenset({"collections.OrderedDict", "builtins.list", "builtins.dict", "builtins.int", "builtins.float"})
Integers = npt.NDArray[np.int64]
Node = Mapping[str, Any]


class Unsound(ValueError):
    """A booster that its library must not be given."""


def check_boosters(schema: Node, archive: zipfile.ZipFile) -> None:
    """Refuse a model file whose boosters are anything but models of their libraries and plain parameters.

    Args:
        schema: The file's ``schema.json``.
        archive: The file.

    Raises:
        Unsound: Why, with the name of what is refused.
    """
    known: dict[Any, Node] = {}
    for node in nodes(schema):
        _check_shared(node, known)
        name = _name(node)
        if name in BOOSTERS:
            _check_node(node, name)
            for each in nodes(node["content"]):
                _check_plain(each, name)
            check = _MODELS.get(name)
            if check is not None:
                check(node["content"]["content"], archive)


def _check_node(node: Node, name: str) -> None:
    """Its state is set, and no constructor called: that of a booster reads any file it is given the name of."""
    if node["__loader__"] != "ObjectNode" or _loader(node.get("content")) != "DictNode":
        raise Unsound(f"a {name} that is made by {node['__loader__']}")


def _check_shared(node: Node, known: dict[Any, Node]) -> None:
    """Of nodes with one id only the first is read, so the others must be equal to it."""
    identity = node.get("__id__")
    if identity is not None and known.setdefault(identity, node) != node:
        raise Unsound(f"two parts, {_name(known[identity])} and {_name(node)}, with one id")


def _check_plain(node: Node, owner: str) -> None:
    loader, name = node["__loader__"], _name(node)
    if loader == "ObjectNode" and name in _WITHIN:
        return
    if loader not in _PLAIN and not (loader == "FunctionNode" and name in _NAMES):
        raise Unsound(f"a {owner} with {name}, read by {loader}")


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a skops schema, from the outside in."""
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def _name(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _loader(node: Any) -> str:
    return str(node.get("__loader__")) if isinstance(node, dict) else ""


def _lightgbm_state(state: Node, archive: zipfile.ZipFile) -> None:
    del archive
    node = state.get("_handle")
    text = json.loads(node["content"]) if node is not None and _loader(node) == "JsonNode" else None
    if not isinstance(text, str) or "handle" in state:
        raise Unsound(f"a {LIGHTGBM} without the text of a model")
    check_lightgbm(text)


def _xgboost_state(state: Node, archive: zipfile.ZipFile) -> None:
    node = state.get("handle")
    if _loader(node) != "BytearrayNode":
        raise Unsound(f"a {XGBOOST} without the bytes of a model")
    check_xgboost(archive.read(node["file"]))  # type: ignore[index]


def _catboost_state(state: Node, archive: zipfile.ZipFile) -> None:
    node = state.get("__model")
    data = archive.read(node["file"]) if _loader(node) == "BytesNode" else b""  # type: ignore[index]
    if data[:4] != b"CBM1":
        raise Unsound("a CatBoost model without the bytes of one")


_MODELS: Mapping[str, Callable[[Node, zipfile.ZipFile], None]] = {
    LIGHTGBM: _lightgbm_state,
    XGBOOST: _xgboost_state,
    **dict.fromkeys(CATBOOST, _catboost_state),
}

_INTEGER = re.compile(r"-?\d{1,10}")


def check_lightgbm(text: str) -> None:
    """Refuse a model of LightGBM's text form whose trees point outside of themselves or of the features.

    Raises:
        Unsound: Which tree, and what is wrong.
    """
    if "\0" in text:
        raise Unsound("a LightGBM model with a zero byte")
    head, mark, body = text.partition("\nTree=")
    header = _keys(head)
    features = _integer(header, "max_feature_idx") + 1
    per_round = _integer(header, "num_tree_per_iteration")
    if not 1 <= per_round <= _integer(header, "num_class"):
        raise Unsound("a LightGBM model with more trees a round than classes")
    data, at = (mark[1:] + body).encode(), 0
    sizes = _integers(header, "tree_sizes")
    if len(sizes) % per_round or np.any(sizes < 1) or sizes.sum() > len(data):
        raise Unsound("a LightGBM model whose trees are not where it says")
    for number, size in enumerate(sizes.tolist()):
        first, _, rest = data[at : at + size].decode().partition("\n")
        if first != f"Tree={number}":
            raise Unsound(f"a LightGBM model whose tree {number} is not where it says")
        _check_lightgbm_tree(_keys(rest), features, number)
        at += size


def _keys(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equal, value = line.partition("=")
        if equal and name in found:
            raise Unsound(f"a LightGBM model with {name[:50]} twice")
        if equal:
            found[name] = value
    return found


def _integers(found: Mapping[str, str], name: str) -> Integers:
    words = found.get(name, "").split()
    if not all(map(_INTEGER.fullmatch, words)):
        raise Unsound(f"a LightGBM model whose {name} are not integers")
    return np.array(words, dtype=np.int64)


def _integer(found: Mapping[str, str], name: str) -> int:
    values = _integers(found, name)
    if len(values) != 1:
        raise Unsound(f"a LightGBM model without {name}")
    return int(values[0])


def _check_lightgbm_tree(tree: Mapping[str, str], features: int, number: int) -> None:
    leaves, categories = _integer(tree, "num_leaves"), _integer(tree, "num_cat")
    inner, kinds = leaves - 1, _integers(tree, "decision_type")
    left, right, split = (_integers(tree, name) for name in ("left_child", "right_child", "split_feature"))
    lengths = {len(left), len(right), len(split), len(kinds), len(tree.get("threshold", "").split())}
    index = np.arange(inner)
    sound = leaves >= 1 and len(tree.get("leaf_value", "").split()) == leaves and (inner == 0 or lengths == {inner})
    sound = sound and (inner == 0 or _is_tree(left, right, index, leaves))
    sound = sound and bool(np.all((split >= 0) & (split < features)))
    if not sound or not _sound_categories(tree, kinds, categories) or not _sound_lines(tree, leaves, features):
        raise Unsound(f"a LightGBM model whose tree {number} points outside of itself")


def _is_tree(left: Integers, right: Integers, index: Integers, leaves: int) -> bool:
    """Children come after their parent; leaves are counted from -1 downwards."""
    return all(
        bool(np.all(np.where(child >= 0, (child > index) & (child < leaves - 1), ~child < leaves)))
        for child in (left, right)
    )


def _sound_categories(tree: Mapping[str, str], kinds: Integers, categories: int) -> bool:
    categorical = (kinds & 1).astype(bool)
    if not categories:
        return not categorical.any()
    bounds, bits = _integers(tree, "cat_boundaries"), tree.get("cat_threshold", "").split()
    used = np.array(tree["threshold"].split(), dtype=np.float64)[categorical]
    return bool(
        len(bounds) == categories + 1
        and bounds[0] == 0
        and np.all(np.diff(bounds) >= 0)
        and bounds[-1] == len(bits)
        and np.all((used >= 0) & (used < categories))
    )


def _sound_lines(tree: Mapping[str, str], leaves: int, features: int) -> bool:
    """Of trees with a line in each leaf (``linear_tree``)."""
    if tree.get("is_linear", "0") == "0":
        return True
    counts, used = _integers(tree, "num_features"), _integers(tree, "leaf_features")
    return bool(
        len(counts) == leaves == len(tree.get("leaf_const", "").split())
        and np.all(counts >= 0)
        and counts.sum() == len(used) == len(tree.get("leaf_coeff", "").split())
        and np.all((used >= 0) & (used < features))
    )


def check_xgboost(data: bytes) -> None:
    """Refuse a model of XGBoost's binary form whose trees point outside of themselves, the features or the classes.

    Raises:
        Unsound: Which tree, and what is wrong.
    """
    try:
        if data[1:2] not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError("it is not in UBJSON")
        learner = read_ubjson(data)["Model"]["learner"]
        shape = learner["learner_model_param"]
        booster = learner["gradient_booster"]
        features, groups = int(shape["num_feature"]), max(int(shape["num_class"]), int(shape["num_target"]), 1)
        if booster["name"] == "gblinear":
            _check(len(booster["model"]["weights"]) == (features + 1) * groups, "its weights are not one a feature")
            return
        model = (booster["gbtree"] if booster["name"] == "dart" else booster)["model"]
        trees, info = model["trees"], np.asarray(model["tree_info"], np.int64)
        rounds = np.asarray(model.get("iteration_indptr", [0, len(trees)]), np.int64)
        _check(
            len(trees) == int(model["gbtree_model_param"]["num_trees"]) == len(info), "it has other trees than it says"
        )
        _check(bool(np.all((info >= 0) & (info < groups))), "a tree is of no class")
        _check(
            rounds[0] == 0 and rounds[-1] == len(trees) and bool(np.all(np.diff(rounds) >= 0)), "its rounds are none"
        )
        for number, tree in enumerate(trees):
            _check(_is_sound_xgboost(tree, features), f"tree {number} points outside of itself")
        if booster["name"] == "dart":
            _check(len(booster["weight_drop"]) == len(trees), "its weights are not one a tree")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Unsound(f"an XGBoost model that cannot be read: {error!s:.200}") from error


def _check(sound: bool, otherwise: str) -> None:
    if not sound:
        raise ValueError(otherwise)


def _is_sound_xgboost(tree: Mapping[str, Any], features: int) -> bool:
    count = int(tree["tree_param"]["num_nodes"])
    names = ("left_children", "right_children", "split_indices", "split_conditions", "split_type", "default_left")
    arrays = [np.asarray(tree[name]) for name in names]
    if count < 1 or any(len(one) != count for one in (*arrays, tree["base_weights"], tree["parents"])):
        return False
    left, right, split = (one.astype(np.int64) for one in arrays[:3])
    inner = left != -1
    return bool(
        int(tree["tree_param"]["size_leaf_vector"]) <= 1
        and np.all((right != -1) == inner)
        and np.all((split[inner] >= 0) & (split[inner] < features))
        and _ends(left, right, count)
        and _sound_segments(tree, np.flatnonzero(inner & (arrays[4].astype(np.int64) != 0)), count)
    )


def _ends(left: Integers, right: Integers, count: int) -> bool:
    """Whether every way down from the root ends: children are nodes, and no node has two parents or is the root."""
    children = np.concatenate([left[left != -1], right[left != -1]])
    inside = bool(np.all((children > 0) & (children < count)))
    return inside and len(np.unique(children)) == len(children)


def _sound_segments(tree: Mapping[str, Any], categorical: Integers, count: int) -> bool:
    """Each node that splits categories has a segment of them."""
    nodes, starts, sizes = (np.asarray(tree[f"categories_{name}"], np.int64) for name in ("nodes", "segments", "sizes"))
    return bool(
        len(nodes) == len(starts) == len(sizes)
        and np.array_equal(nodes, categorical)
        and np.all(nodes < count)
        and np.all((starts >= 0) & (sizes >= 0) & (starts + sizes <= len(tree["categories"])))
        and np.all(np.asarray(tree["categories"], np.int64) >= 0)
    )
