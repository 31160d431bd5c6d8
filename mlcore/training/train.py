"""Rows to a fitted ``Pipeline(transform, estimator)``, the same bits whenever and wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.core.types import Json
from mlcore.errors import DataError, ModelError, quoted
from mlcore.training.calibrate import Calibrating, Measuring
from mlcore.training.estimators import resolve_estimator, with_categories
from mlcore.training.fit import Rows, fit_estimator
from mlcore.training.memory import BLOCK_ROWS
from mlcore.training.start import Start, Way, way_of
from mlcore.training.stream import Source, fit_streaming, labelled, no_label, scan
from mlcore.training.weights import ClassCounts, RowWeights, no_weight

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

    def get_feature_names_out(self) -> npt.NDArray[np.object_]: ...

    def transform(self, X: pa.Table) -> npt.NDArray[np.float64]: ...  # noqa: N803 - scikit-learn's name

    def transform_training(self, X: pa.Table) -> npt.NDArray[np.float64]: ...  # noqa: N803


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A fitted pipeline and the numbers to record with it.

    Attributes:
        rows: Rows it was fitted on.
        unlabelled: Rows left out because they have no label.
        classes: The label's values in the order of ``predict_proba``; empty for a regressor.
        started_from: Digest of the model that it went on from; empty where it started cold.
        cold_because: Why, though there was a model to start from.
        blocks_of: Rows that ``partial_fit`` was given at once; 0 where all rows were fitted on at once.
    """

    pipeline: Pipeline
    rows: int
    unlabelled: int
    classes: tuple[Json, ...]
    started_from: str = ""
    cold_because: str = ""
    blocks_of: int = 0


Unseen = Callable[[pa.Table], Transformer]


class Asked(TypedDict):
    """What :func:`train` and :func:`train_streaming` are asked for alike."""

    label: str
    estimator: str
    params: Mapping[str, Json]
    weights: RowWeights | None
    holding: Calibrating | Measuring | None
    start: Start | None


def train(
    table: pa.Table,
    transformer: Transformer,
    *,
    label: str,
    estimator: str,
    params: Mapping[str, Json],
    weights: RowWeights | None = None,
    holding: Calibrating | Measuring | None = None,
    start: Start | None = None,
    unseen: Unseen | None = None,
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
        holding: Which rows are held back to calibrate a classifier by, or to measure how far a regressor misses.
        start: The champion to start from, where that can be; its transform then takes the place of ``transformer``.
        unseen: Of the rows fitted on, the transform of those held back; by default ``transformer``, which may have
            learnt from their labels.
        threads: Of BLAS and OpenMP while fitting. It is fixed because results of BLAS change with it.

    Raises:
        DataError: No row has a label, or all have the same one and the estimator is a classifier.
        ModelError: The estimator is unknown, or refuses its parameters or the rows.
    """
    model = resolve_estimator(estimator, params)
    _check_holding(model, holding)
    kept, labels = _labelled(table, label)
    counts = ClassCounts.of(labels) if _is_classifier(model) else None
    _check_classes(counts, label)
    cold = start.cold_because(model, estimator, None if counts is None else counts.classes) if start else ""
    goes_on = start if not cold else None
    transformer = goes_on.transformer if goes_on else transformer
    weighed = weights.of(kept, labels) if weights else None
    names = tuple(transformer.get_feature_names_out())
    rows = Rows(features=transformer.transform_training(kept), labels=labels, weights=weighed, names=names)
    with_categories(model, params, transformer.categorical_mask)
    held = holding.held_back(kept) if holding else None
    if held is not None and unseen is not None and goes_on is None:
        blind = unseen(kept.filter(pa.array(~held)))
        rows.features[held] = blind.transform(kept.filter(pa.array(held)))
    fitted_on = rows if held is None else rows.where(~held)
    if goes_on:
        model = goes_on.fit(model, fitted_on, threads)
    else:
        fit_estimator(model, fitted_on, threads)
    if holding is not None and held is not None:
        model = _completed(model, holding, rows.where(held))
    return Trained(
        pipeline=_pipeline(transformer, model),
        rows=kept.num_rows,
        unlabelled=table.num_rows - kept.num_rows,
        classes=_classes(model),
        started_from=goes_on.digest if goes_on else "",
        cold_because=cold,
    )


def train_streaming(
    source: Source,
    transformer: Transformer,
    *,
    columns: Sequence[str],
    label: str,
    estimator: str,
    params: Mapping[str, Json],
    weights: RowWeights | None = None,
    holding: Calibrating | Measuring | None = None,
    start: Start | None = None,
    epochs: int = 1,
    threads: int = 1,
) -> Trained:
    """:func:`train` by ``partial_fit`` on one block of rows after the other; never more than a block is held.

    Args:
        source: The rows, in time order.
        transformer: See :func:`train`.
        columns: What it and the weights read.
        label: See :func:`train`.
        estimator: Import path of the estimator's class.
        params: Its parameters.
        weights: See :func:`train`.
        holding: An error where it is given.
        start: See :func:`train`.
        epochs: How often all rows are gone through.
        threads: See :func:`train`.

    Raises:
        DataError: See :func:`train`.
        ModelError: See :func:`train`; or rows are held back, which needs them all at once.
    """
    if holding is not None:
        key = "calibration" if isinstance(holding, Calibrating) else "intervals"
        raise ModelError(
            f"model.{key} holds rows back, which needs all of them in memory, and they are fitted on block by block",
            where=f"model.{key}",
            next_step=f"remove model.{key}, allow more model.max_memory, or shorten window.train",
        )
    model = resolve_estimator(estimator, params)
    is_classifier = _is_classifier(model)
    scanned = scan(source, label=label, weights=weights, classes=is_classifier)
    counts = scanned.classes if is_classifier else None
    _check_classes(counts, label)
    cold = start.cold_because(model, estimator, None if counts is None else counts.classes) if start else ""
    goes_on = start if not cold else None
    transformer, model = (goes_on.transformer, goes_on.continued(model)) if goes_on else (transformer, model)
    fit_streaming(
        model,
        source,
        transformer.transform_training,
        columns=columns,
        label=label,
        scanned=scanned,
        weights=weights,
        epochs=epochs,
        threads=threads,
    )
    return Trained(
        pipeline=_pipeline(transformer, model),
        rows=scanned.rows,
        unlabelled=scanned.unlabelled,
        classes=_classes(model),
        started_from=goes_on.digest if goes_on else "",
        cold_because=cold,
        blocks_of=BLOCK_ROWS,
    )


def only_by_blocks(start: Start | None, model: Any) -> bool:
    """Whether an estimator goes on from a champion by ``partial_fit`` alone."""
    return start is not None and way_of(model) is Way.PARTIAL_FIT


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
    kept, labels = _labelled(table, label)
    weighed = weights.of(kept, labels) if weights else None
    return kept, Rows(features=transform(kept), labels=labels, weights=weighed)


def judged_rows(
    table: pa.Table,
    transform: Callable[[pa.Table], npt.NDArray[np.float64]],
    *,
    label: str,
    weights: RowWeights | None,
    fitted: Rows,
) -> Rows:
    """The rows that have a label, to judge a model by that was fitted on others, weighed as those are.

    How much a class counts is told by the rows of both, so that none is unknown.

    Raises:
        DataError: No row has a label, a weight is none, or all are 0.
    """
    kept, labels = _labelled(table, label)
    counts = ClassCounts.of(np.concatenate([fitted.labels, labels])) if weights and weights.classes else None
    weighed = weights.of_some(kept, labels, counts) if weights else None
    if weighed is not None and not np.any(weighed > 0):
        raise no_weight()
    return Rows(features=transform(kept), labels=labels, weights=weighed)


def _check_holding(model: Any, holding: Calibrating | Measuring | None) -> None:
    if isinstance(holding, Calibrating) and not _is_classifier(model):
        raise ModelError(
            f"{type(model).__name__} is no classifier: it gives no probabilities to calibrate",
            where="model.calibration",
            next_step="remove model.calibration, or choose a classifier",
        )
    if isinstance(holding, Measuring) and _is_classifier(model):
        raise ModelError(
            f"{type(model).__name__} is a classifier: its predictions have no intervals",
            where="model.intervals",
            next_step="remove model.intervals, or choose a regressor",
        )


def _completed(model: Any, holding: Calibrating | Measuring, by: Rows) -> Any:
    """The fitted model with what the rows held back say of it."""
    if isinstance(holding, Calibrating):
        return holding.calibrated(model, by.features, by.labels, by.weights)
    from mlcore.training.intervals import ConformalRegressor

    return ConformalRegressor.of(model, by.features, by.labels)


def _pipeline(transformer: Transformer, model: Any) -> Pipeline:
    from sklearn.pipeline import Pipeline

    return Pipeline([(TRANSFORM_STEP, transformer), (ESTIMATOR_STEP, model)])


def _classes(model: Any) -> tuple[Json, ...]:
    return tuple(getattr(model, "classes_", np.empty(0)).tolist()) if _is_classifier(model) else ()


def _labelled(table: pa.Table, label: str) -> tuple[pa.Table, npt.NDArray[Any]]:
    if label not in table.column_names:
        raise DataError(
            f"the rows have no label column {quoted(label)}",
            where=f"columns: {quoted(table.column_names)}",
            next_step="check data.label.name",
        )
    kept, labels = labelled(table, label)
    if kept.num_rows == 0:
        raise no_label(label)
    return kept, labels


def _check_classes(counts: ClassCounts | None, label: str) -> None:
    if counts is not None and len(counts.classes) < 2:
        raise DataError(
            f"all {counts.counts.sum()} training rows have the label {label} = {quoted(counts.classes.tolist()[0])}:"
            " nothing to learn",
            next_step="check data.label.above, or choose a window.train in which the outcome varies",
        )


def _is_classifier(model: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(model))
