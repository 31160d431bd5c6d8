"""Prediction intervals of a regressor: how far it missed rows that it was not fitted on.

Split conformal prediction (Vovk, Gammerman and Shafer, 2005; Lei et al., 2018) with signed errors, half of what may
miss on each side: whatever the regressor, of exchangeable rows at least ``confidence`` lie inside. It needs one fit,
gives any confidence afterwards, and its bounds cannot cross. The interval is as wide for every row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin

from mlcore.errors import DataError, ModelError

Floats = npt.NDArray[np.float64]
MOST_ERRORS = 10_000
"""Errors that a model keeps: of more rows, as many of their order statistics, evenly, the outer one of each step."""


class ConformalRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted regressor, and its errors on rows held back from it.

    Args:
        estimator: The fitted regressor; its predictions are these.

    Attributes:
        below_: The errors (label less prediction), sorted, for the lower bounds.
        above_: The same, for the upper ones; another array only where errors were left out.
        rows_: How many rows were held back.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    @classmethod
    def of(cls, estimator: Any, features: Floats, labels: npt.NDArray[Any]) -> ConformalRegressor:
        """From rows that the estimator was not fitted on."""
        made = cls(estimator)
        errors = np.sort(labels.astype(np.float64) - estimator.predict(features))
        made.rows_ = len(errors)
        if len(errors) <= MOST_ERRORS:
            made.below_ = made.above_ = errors
        else:
            steps = np.linspace(0, len(errors), MOST_ERRORS + 1).astype(np.int64)
            made.below_, made.above_ = errors[steps[:-1]], errors[steps[1:] - 1]
        made.n_features_in_ = features.shape[1]
        return made

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ConformalRegressor:  # noqa: N803 - scikit-learn's
        """Fit the regressor itself; the errors stay those that they were."""
        self.estimator.fit(X, y) if sample_weight is None else self.estimator.fit(X, y, sample_weight=sample_weight)
        return self

    def predict(self, X: Any) -> Floats:  # noqa: N803
        predicted: Floats = self.estimator.predict(X)
        return predicted

    def margins(self, confidence: float) -> tuple[float, float]:
        """What is added to a prediction for the bounds of its interval.

        Raises:
            DataError: Too few rows were held back for such a confidence.
        """
        miss = (1 - confidence) / 2
        last = math.ceil((self.rows_ + 1) * (1 - miss) - 1e-9)
        if last > self.rows_:
            raise DataError(
                f"{self.rows_} rows were held back: too few for intervals of confidence {confidence}",
                where="model.intervals.share",
                next_step=f"ask for at most {1 - 2 / (self.rows_ + 1):.4g}, or choose a greater share or longer"
                " window.train",
            )
        return float(_at(self.below_, self.rows_, self.rows_ + 1 - last)), float(_at(self.above_, self.rows_, last))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "rows_")


def _at(kept: Floats, rows: int, rank: int) -> Floats:
    """The error of a rank from 1; of those that were left out, the kept one of its step."""
    if len(kept) == rows:
        return np.asarray(kept[rank - 1])
    steps = np.linspace(0, rows, len(kept) + 1).astype(np.int64)
    return np.asarray(kept[np.searchsorted(steps, rank - 1, side="right") - 1])


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervals:
    """A prediction a row, and between which bounds the label is expected."""

    low: Floats
    prediction: Floats
    high: Floats


def margins_of(estimator: Any, confidence: float) -> tuple[float, float]:
    """What is added to the predictions of a model's last step.

    Raises:
        ModelError: It was trained without intervals, or the confidence is no share.
        DataError: Too few rows were held back.
    """
    if not isinstance(estimator, ConformalRegressor):
        raise ModelError(
            f"the model ({type(estimator).__name__}) was trained without prediction intervals",
            where="model.intervals",
            next_step="add model.intervals to the pipeline of a regressor and train it again",
        )
    if not 0 < confidence < 1:
        raise ModelError(
            f"{confidence} is no confidence", where="confidence", next_step="give a number between 0 and 1, such as 0.9"
        )
    return estimator.margins(confidence)
