"""Rows to a fitted ``Pipeline(transform, estimator)``, the same bits whenever and wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.errors import DataError, ModelError, quoted
from mlcore.training.calibrate import Calibrating
from mlcore.training.estimators import resolve_estimator, with_categories
from mlcore.training.fit import Rows, fit_estimator
from mlcore.training.weights import RowWeights

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRANSFORM_STEP = "transform"
ESTIMATOR_STEP = "estimator"


class Transformer(Protocol):
    """What training needs of a fitted transform: rows to a matrix, and which of its columns are categories.

    ``transform_training`` is for the rows it was fitted on: what it learnt from the label must not come from the row.
    """

    @property
    def categorical_mask(self) -> tuple[bool, ...]: ...

    def transform_training(self, X: pa.Table) -> npt.NDArray[np.float64]: ...  # noqa: N803 - scikit-learn's name


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A fitted pipeline and the numbers to record with it.

    Attributes:
        rows: Rows it was fitted on.
        unlabelled: Rows left out because they have no label.
        classes: The label's values in the order of ``predict_proba``; empty for a regressor.
    """

    pipeline: Pipeline
    rows: int
    unlabelled: int
    classes: tuple[Json, ...]


def train(
    table: pa.Table,
    transformer: Transformer,
    *,
    label: str,
    estimator: str,
    params: Mapping[str, Json],
    weights: RowWeights | None = None,
    calibrating: Calibrating | None = None,
    threads: int = 1,
) -> Trained:
    """Fit the estimator on the rows that have a label.

    Args:
        table: Rows with the transformer's columns and the label.
        transformer: A fitted scikit-learn transformer; it becomes the first step of the pipeline as it is.
        label: Name of the label column; rows where it is null are left out.
        estimator: Import path of the estimator's class.
        params: Its parameters. Where it takes ``categorical_features`` and none are given, the transformer's are used.
        weights: How much each row counts; equally by default.
        calibrating: Of a classifier: which rows are held back to calibrate it by; none by default.
        threads: Of BLAS and OpenMP while fitting. It is fixed because results of BLAS change with it.

    Raises:
        DataError: No row has a label, or all have the same one and the estimator is a classifier.
        ModelError: The estimator is unknown, or refuses its parameters or the rows.
    """
    model = resolve_estimator(estimator, params)
    labelled, rows = labelled_rows(table, transformer.transform_training, label=label, weights=weights)
    if _is_classifier(model):
        _check_classes(rows.labels, label)
    elif calibrating:
        raise ModelError(
            f"{type(model).__name__} is no classifier: it gives no probabilities to calibrate",
            where="model.calibration",
            next_step="remove model.calibration, or choose a classifier",
        )
    with_categories(model, params, transformer.categorical_mask)
    if calibrating is None:
        fit_estimator(model, rows, threads)
    else:
        held = calibrating.held_back(labelled)
        fit_estimator(model, rows.where(~held), threads)
        by = rows.where(held)
        model = calibrating.calibrated(model, by.features, by.labels, by.weights)
    return Trained(
        pipeline=_pipeline(transformer, model),
        rows=labelled.num_rows,
        unlabelled=table.num_rows - labelled.num_rows,
        classes=tuple(getattr(model, "classes_", np.empty(0)).tolist()),
    )


def labelled_rows(
    table: pa.Table,
    transform: Callable[[pa.Table], npt.NDArray[np.float64]],
    *,
    label: str,
    weights: RowWeights | None = None,
) -> tuple[pa.Table, Rows]:
    """The rows that have a label, as they are and as an estimator takes them.

    Raises:
        DataError: No row has a label, or a weight is none.
    """
    labelled, labels = _labelled(table, label)
    weighed = weights.of(labelled, labels) if weights else None
    return labelled, Rows(features=transform(labelled), labels=labels, weights=weighed)


def _pipeline(transformer: Transformer, model: Any) -> Pipeline:
    from sklearn.pipeline import Pipeline

    return Pipeline([(TRANSFORM_STEP, transformer), (ESTIMATOR_STEP, model)])


def _labelled(table: pa.Table, label: str) -> tuple[pa.Table, npt.NDArray[Any]]:
    if label not in table.column_names:
        raise DataError(
            f"the rows have no label column {quoted(label)}",
            where=f"columns: {quoted(table.column_names)}",
            next_step="check data.label.name",
        )
    if table[label].null_count:
        table = table.filter(pc.is_valid(table[label]))
    if table.num_rows == 0:
        raise DataError(
            f"no row of the training window has a label {quoted(label)}",
            next_step="check data.label.column and data.label.delay, or choose a longer window.train",
        )
    labels = table[label].to_numpy()
    return table, labels.astype(str) if labels.dtype == object else labels


def _check_classes(labels: npt.NDArray[Any], label: str) -> None:
    classes = np.unique(labels)
    if len(classes) < 2:
        raise DataError(
            f"all {len(labels)} training rows have the label {label} = {quoted(classes.tolist()[0])}: nothing to learn",
            next_step="check data.label.above, or choose a window.train in which the outcome varies",
        )


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model))
