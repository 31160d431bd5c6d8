"""Which types a model file may hold: checked before anything of it is built.

skops trusts scikit-learn's estimators, NumPy's arrays and Python's containers by itself. Beyond those, only the types
below are built, each by its full name. skops does not trust trees because scikit-learn follows their indices without
checking them; :func:`check_trees` does, so that a crafted file cannot crash the process that predicts. Those of
boosters are checked before they are built, by :mod:`~mlcore.training.boosters`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcore.errors import ModelError, UntrustedModel, quoted
from mlcore.training.boosters import BOOSTERS, Unsound, check_boosters

ALLOWED_TYPES = (
    "collections.OrderedDict",
    "functools.partial",
    "mlcore.training.intervals.ConformalRegressor",
    "mlcore.transform.transformer.GraphTransformer",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
    *BOOSTERS,
)
Integers = npt.NDArray[np.int64]
_NEXT = "do not load this file; train the model again, or find out who changed it"


def audit(data: bytes, where: str) -> None:
    """Refuse a model file that would build anything but known types.

    Raises:
        UntrustedModel: The file names a type that is not allowed.
        ModelError: The file is no skops file.
    """
    import skops.io

    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(ALLOWED_TYPES))
        if not unknown:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                check_boosters(json.loads(archive.read("schema.json")), archive)
    except Unsound as error:
        raise UntrustedModel(f"the model file holds {error}", where=where, next_step=_NEXT) from error
    except Exception as error:
        raise ModelError(
            f"the model file cannot be read: {quoted(str(error))}", where=where, next_step="train the model again"
        ) from error
    if unknown:
        raise UntrustedModel(
            f"the model file holds types that are not on the allow-list: {', '.join(map(quoted, unknown[:5]))}",
            where=where,
            next_step=_NEXT,
        )


def check_trees(pipeline: Any, where: str) -> None:
    """Refuse trees whose indices point outside of them, or back: following those would read foreign memory, or not end.

    Raises:
        UntrustedModel: An index of a tree is out of range.
    """
    for step in pipeline:
        for estimator in members(step):
            if not all(_is_sound(nodes) for nodes in _trees(estimator)):
                raise UntrustedModel("a tree of the model points outside of itself", where=where, next_step=_NEXT)


@dataclass(frozen=True, slots=True)
class _Nodes:
    """Inner nodes of one tree, and what their indices must stay below."""

    index: Integers
    left: Integers
    right: Integers
    feature: Integers
    count: int
    features: int
    bitset: Integers
    bitsets: int


def _is_sound(nodes: _Nodes) -> bool:
    """Children come after their parent in every tree that scikit-learn grows."""
    children = (nodes.left, nodes.right)
    return bool(
        all(np.all(child > nodes.index) and np.all(child < nodes.count) for child in children)
        and np.all((nodes.feature >= 0) & (nodes.feature < nodes.features))
        and np.all(nodes.bitset < nodes.bitsets)
    )


def members(estimator: Any) -> Iterator[Any]:
    """An estimator and those it is made of, the steps of a pipeline too."""
    yield estimator
    for _, step in getattr(estimator, "steps", ()):
        yield from members(step)
    for name in ("estimators_", "calibrated_classifiers_"):
        parts = getattr(estimator, name, ())
        for part in parts.ravel() if isinstance(parts, np.ndarray) else parts:
            yield from members(part)
    for name in ("estimator", "estimator_", "regressor_"):
        if hasattr(estimator, name):
            yield from members(getattr(estimator, name))


def _trees(estimator: Any) -> Iterator[_Nodes]:
    for predictors in getattr(estimator, "_predictors", ()):
        for predictor in predictors:
            yield _of_predictor(predictor, estimator.n_features_in_)
    if hasattr(estimator, "tree_"):
        yield _of_tree(estimator.tree_, estimator.n_features_in_)


def _of_predictor(predictor: Any, features: int) -> _Nodes:
    nodes = predictor.nodes
    (index,) = np.nonzero(nodes["is_leaf"] == 0)
    inner = nodes[index]
    return _Nodes(
        index=index,
        left=inner["left"].astype(np.int64),
        right=inner["right"].astype(np.int64),
        feature=inner["feature_idx"],
        count=len(nodes),
        features=features,
        bitset=inner["bitset_idx"][inner["is_categorical"] != 0].astype(np.int64),
        bitsets=len(predictor.raw_left_cat_bitsets),
    )


def _of_tree(tree: Any, features: int) -> _Nodes:
    (index,) = np.nonzero(tree.children_left != -1)
    return _Nodes(
        index=index,
        left=tree.children_left[index],
        right=tree.children_right[index],
        feature=tree.feature[index],
        count=tree.node_count,
        features=features,
        bitset=np.empty(0, np.int64),
        bitsets=0,
    )
