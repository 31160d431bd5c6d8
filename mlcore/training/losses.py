"""What a search for hyperparameters makes small or great: scikit-learn's metrics by the names of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlcore.errors import ModelError, quoted
from mlcore.training.fit import Rows

Task = Literal["binary", "multiclass", "regression"]
_GREATER = frozenset({"roc_auc", "average_precision", "accuracy", "r2"})
_AMOUNTS = frozenset({"rmse", "mae", "r2"})


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric of a model on rows.

    Attributes:
        name: ``log_loss``, ``brier``, ``roc_auc``, ``average_precision`` or ``accuracy`` of classes; ``rmse``, ``mae``
            or ``r2`` of amounts.
        classes: All classes of the label, sorted; empty for amounts.
    """

    name: str
    classes: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if (self.name in _AMOUNTS) != (not self.classes):
            raise ModelError(
                f"{self.name} is no metric of {'classes' if self.classes else 'amounts'}",
                where="model.tune.metric",
                next_step="choose rmse, mae or r2 for amounts; log_loss, brier, roc_auc, average_precision or accuracy"
                " for classes",
            )

    @property
    def greater_is_better(self) -> bool:
        return self.name in _GREATER

    def of(self, model: Any, rows: Rows) -> float:
        """Its value of a fitted model on rows, each with its weight.

        Raises:
            ModelError: It is not defined on these rows, for instance because all are of one class.
        """
        try:
            value = self._class(model, rows) if self.classes else self._amount(model, rows)
        except ValueError as error:
            raise self._undefined(str(error)) from error
        if not np.isfinite(value):
            raise self._undefined(f"it is {value}")
        return value

    def _amount(self, model: Any, rows: Rows) -> float:
        from sklearn import metrics

        found: dict[str, Callable[..., float]] = {
            "rmse": metrics.root_mean_squared_error,
            "mae": metrics.mean_absolute_error,
            "r2": metrics.r2_score,
        }
        return float(found[self.name](rows.labels, model.predict(rows.features), sample_weight=rows.weights))

    def _class(self, model: Any, rows: Rows) -> float:
        from sklearn import metrics

        labels, weighed = rows.labels, {"sample_weight": rows.weights}
        if self.name == "accuracy":
            return float(metrics.accuracy_score(labels, model.predict(rows.features), **weighed))
        if not hasattr(model, "predict_proba"):
            raise ModelError(
                f"{type(model).__name__} gives no probabilities for {self.name}",
                where="model.tune.metric",
                next_step="choose accuracy, or another estimator",
            )
        shares = _aligned(model.predict_proba(rows.features), model.classes_, self.classes)
        if self.name == "log_loss":
            return float(metrics.log_loss(labels, shares, labels=list(self.classes), **weighed))
        truth = (labels[:, None] == np.array(self.classes)).astype(np.float64)
        if self.name == "brier":
            squared = np.average(((shares - truth) ** 2).sum(axis=1), weights=rows.weights)
            return float(squared / 2 if len(self.classes) == 2 else squared)
        ranked = metrics.roc_auc_score if self.name == "roc_auc" else metrics.average_precision_score
        columns = [1] if len(self.classes) == 2 else range(len(self.classes))
        return float(np.mean([ranked(truth[:, column], shares[:, column], **weighed) for column in columns]))

    def _undefined(self, reason: str) -> ModelError:
        return ModelError(
            f"{self.name} is not known on a fold: {quoted(reason)}",
            where="model.tune",
            next_step="choose fewer folds, a longer window.train or another metric",
        )


def _aligned(
    shares: npt.NDArray[np.float64], have: npt.NDArray[Any], classes: tuple[Any, ...]
) -> npt.NDArray[np.float64]:
    """A column a class; 0 for one that the rows fitted on did not have."""
    columns = {name: index for index, name in enumerate(have.tolist())}
    aligned = np.zeros((len(shares), len(classes)))
    for index, name in enumerate(classes):
        if name in columns:
            aligned[:, index] = shares[:, columns[name]]
    return aligned
