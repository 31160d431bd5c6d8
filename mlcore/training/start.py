"""Starting from the champion: which estimators can, and when they must start cold all the same.

What is gone on from is the champion's whole pipeline, its transform with it: a tree that split a vocabulary's code or
a scaled number would mean something else behind a transform that was fitted anew. Vocabularies and scales stay those
of the last cold start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlcore.errors import ModelError
from mlcore.training.fit import Rows, fit_estimator

if TYPE_CHECKING:
    from mlcore.training.train import Transformer

MOST_GROWTH = 10
"""An ensemble that grows in every run starts cold when it would have more than so many times a cold one's trees."""
_TREES = "n_estimators"
_ON_THE_SAME_ROWS = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
"""Their ``warm_start`` is for the same rows only: trees that are there are read by the bins of the new rows."""


class Way(StrEnum):
    """How an estimator goes on from a fitted one."""

    PARAMETER = "warm_start"
    PARTIAL_FIT = "partial_fit"
    LIGHTGBM = "lightgbm"
    XGBOOST = "xgboost"
    CATBOOST = "catboost"


_AROUND = frozenset({"CalibratedClassifierCV", "FrozenEstimator", "ConformalRegressor"})
_LIBRARIES = (Way.LIGHTGBM, Way.XGBOOST, Way.CATBOOST)


def way_of(model: Any) -> Way:
    """How an estimator goes on from a fitted one of its class.

    Raises:
        ModelError: It cannot.
    """
    name, library = type(model).__name__, type(model).__module__.partition(".")[0]
    if library in set(_LIBRARIES):
        return Way(library)
    if name in _ON_THE_SAME_ROWS:
        raise _cannot(name, "its warm_start is for the same rows only")
    if "warm_start" in model.get_params(deep=False):
        return Way.PARAMETER
    if callable(getattr(model, "partial_fit", None)):
        return Way.PARTIAL_FIT
    raise _cannot(name, "it has neither warm_start nor partial_fit")


def _cannot(name: str, reason: str) -> ModelError:
    return ModelError(
        f"{name} cannot start from another model: {reason}",
        where="model.warm_start",
        next_step="remove model.warm_start, or choose for instance LogisticRegression, SGDClassifier,"
        " GradientBoostingClassifier or an estimator of LightGBM, XGBoost or CatBoost",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A champion to start from.

    Attributes:
        digest: Of its Model artifact.
        estimator: Import path of its estimator.
        model: Its fitted estimator, without what was put around it.
        transformer: Its transform.
        alike: Whether its features and its label are those that are configured now.
    """

    digest: str
    estimator: str
    model: Any
    transformer: Transformer
    alike: bool

    def cold_because(self, model: Any, estimator: str, classes: npt.NDArray[Any] | None) -> str:
        """Why the unfitted ``model`` cannot start from the champion; empty where it can."""
        if self.estimator != estimator:
            return f"the champion is a {self.estimator}"
        if not self.alike:
            return "the champion has other features or another label"
        if classes is not None and not np.array_equal(classes, self.model.classes_):
            return f"the champion knows {len(self.model.classes_)} classes, the rows have {len(classes)}, not the same"
        grown, cold = _trees(self.model), _configured_trees(model)
        if cold and grown + cold > MOST_GROWTH * cold:
            return f"the champion has {grown} trees, and with {cold} more would have over {MOST_GROWTH} times as many"
        return ""

    def fit(self, model: Any, rows: Rows, threads: int) -> Any:
        """The estimator as it is configured, gone on from the champion's: ``model`` itself, or the champion's.

        Raises:
            ModelError: It refuses the rows.
        """
        return _WAYS[way_of(model)](model, self.model, rows, threads)

    def continued(self, model: Any) -> Any:
        """The champion's estimator with the parameters configured now, for ``partial_fit``."""
        return self.model.set_params(**model.get_params(deep=False))


def _by_parameter(model: Any, champion: Any, rows: Rows, threads: int) -> Any:
    params = {**model.get_params(deep=False), "warm_start": True}
    if _TREES in params:
        params[_TREES] += _trees(champion)
    champion.set_params(**params)
    fit_estimator(champion, rows, threads)
    return champion


def _by_partial_fit(model: Any, champion: Any, rows: Rows, threads: int) -> Any:
    raise AssertionError("such an estimator is fitted block by block")


def _lightgbm(model: Any, champion: Any, rows: Rows, threads: int) -> Any:
    fit_estimator(model, rows, threads, init_model=champion.booster_)
    whole = model.booster_.model_to_string()
    model._Booster = type(champion.booster_)(model_str=whole)  # the one that was fitted holds on to the champion
    return model


def _xgboost(model: Any, champion: Any, rows: Rows, threads: int) -> Any:
    fit_estimator(model, rows, threads, xgb_model=champion.get_booster())
    return model


def _catboost(model: Any, champion: Any, rows: Rows, threads: int) -> Any:
    fit_estimator(model, rows, threads, init_model=champion)
    return model


_WAYS: dict[Way, Callable[[Any, Any, Rows, int], Any]] = {
    Way.PARAMETER: _by_parameter,
    Way.PARTIAL_FIT: _by_partial_fit,
    Way.LIGHTGBM: _lightgbm,
    Way.XGBOOST: _xgboost,
    Way.CATBOOST: _catboost,
}


def _trees(model: Any) -> int:
    """How many rounds of trees a fitted estimator has; 0 of one that does not grow."""
    library = type(model).__module__.partition(".")[0]
    if library == Way.LIGHTGBM:
        return int(model.booster_.current_iteration())
    if library == Way.XGBOOST:
        return int(model.get_booster().num_boosted_rounds())
    if library == Way.CATBOOST:
        return int(model.tree_count_)
    return len(model.estimators_) if _TREES in model.get_params(deep=False) else 0


def _configured_trees(model: Any) -> int:
    params = model.get_params(deep=False)
    library = type(model).__module__.partition(".")[0]
    if library == Way.CATBOOST:
        return int(next((params[name] for name in ("iterations", _TREES, "num_boost_round") if name in params), 1000))
    if library == Way.XGBOOST:
        return int(params[_TREES] or 100)
    return int(params.get(_TREES) or 0)


def unwrapped(estimator: Any) -> Any:
    """The estimator that was fitted on rows, without a calibration or intervals around it."""
    while type(estimator).__name__ in _AROUND:
        estimator = estimator.estimator
    return estimator
