"""Which types a model file may hold: checked before anything of it is built.

skops trusts scikit-learn's estimators, NumPy's arrays and Python's containers by itself. Beyond those, only the types
below are built, each by its full name. skops does not trust trees because scikit-learn follows their indices without
checking them; :func:`check_trees` does, so that a crafted file cannot crash the process that predicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlcore.errors import ModelError, UntrustedModel, quoted

ALLOWED_TYPES = (
    "functools.partial",
    "mlcore.transform.transformer.GraphTransformer",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)
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
    """Refuse trees whose indices point outside of them.

    Raises:
        UntrustedModel: A tree's child or feature index is out of range.
    """
    for children, features, n_nodes, n_features in _tree_indices(pipeline[-1]):
        inner = children != -1
        if (
            np.any(children[inner] < 0)
            or np.any(children[inner] >= n_nodes)
            or np.any(features < 0)
            or np.any(features >= n_features)
        ):
            raise UntrustedModel("a tree of the model points outside of itself", where=where, next_step=_NEXT)


Indices = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], int, int]


def _tree_indices(estimator: Any) -> Iterator[Indices]:
    """Child and feature indices of every tree of a fitted estimator."""
    for predictors in getattr(estimator, "_predictors", ()):
        for predictor in predictors:
            nodes = predictor.nodes
            inner = nodes["is_leaf"] == 0
            children = np.concatenate([nodes["left"][inner], nodes["right"][inner]]).astype(np.int64)
            yield children, nodes["feature_idx"][inner], len(nodes), estimator.n_features_in_
    for tree in _sklearn_trees(estimator):
        inner = tree.children_left != -1
        children = np.concatenate([tree.children_left, tree.children_right])
        yield children, tree.feature[inner], tree.node_count, estimator.n_features_in_


def _sklearn_trees(estimator: Any) -> Iterator[Any]:
    if hasattr(estimator, "tree_"):
        yield estimator.tree_
    for member in np.ravel(np.asarray(getattr(estimator, "estimators_", ()), dtype=object)):
        yield from _sklearn_trees(member)
