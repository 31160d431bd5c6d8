"""Scores of a model: the one way evaluation, infra validation and bulk inference ask for them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.errors import ModelError, quoted

_BLOCK_ROWS = 64

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from threadpoolctl import ThreadpoolController

    from mlcore.training.intervals import Intervals


def predict_scores(pipeline: Pipeline, table: pa.Table, *, threads: int = 1) -> npt.NDArray[np.float64]:
    """What the model says of each row.

    Returns:
        Of shape (rows,) a regressor's prediction, or the probability of 1 where the classes are 0 and 1; of shape
        (rows, classes) the probability of each other class, in the order of ``classes_``.

    Raises:
        DataError: A column that the transform reads is missing or of another type.
        ModelError: The model tells classes apart but gives no probabilities, or refuses the rows.
    """
    return predict_features(pipeline, pipeline[:-1].transform(table), threads=threads)


def predict_features(
    pipeline: Pipeline, features: npt.NDArray[np.float64], *, threads: int = 1
) -> npt.NDArray[np.float64]:
    """:func:`predict_scores` of rows that the transform made into features already.

    Raises:
        ModelError: As there.
    """
    classes = getattr(pipeline, "classes_", ())
    classes = classes if len(classes) else None  # CatBoost's regressors have none, by this name
    if classes is not None and not hasattr(pipeline, "predict_proba"):
        raise ModelError(
            "the model gives classes, but no probabilities",
            where=type(pipeline[-1]).__name__,
            next_step="choose an estimator with predict_proba, or set model.calibration",
        )
    rows, features = len(features), _whole_blocks(features)
    estimator = pipeline[-1]
    with _pools(type(estimator).__module__).limit(limits=threads):
        try:
            scores = estimator.predict(features) if classes is None else estimator.predict_proba(features)
        except ValueError as error:
            raise ModelError(
                f"the model refuses rows: {quoted(str(error).split(chr(10), 1)[0], limit=200)}",
                where=type(pipeline[-1]).__name__,
                next_step="give features that it must not be without an option such as missing: 0",
            ) from error
    scores = scores[:rows]
    if classes is not None and np.array_equal(classes, [0, 1]):
        scores = scores[:, 1]
    return np.ascontiguousarray(scores, dtype=np.float64)


@cache
def _pools(module: str) -> ThreadpoolController:
    """The thread pools of the libraries that are loaded: looking for them takes longer than scoring a row.

    They are looked for once for each module of estimators, whose import loaded what it needs.
    """
    del module
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def predict_intervals(pipeline: Pipeline, table: pa.Table, confidence: float, *, threads: int = 1) -> Intervals:
    """Between which bounds a regressor expects the label of each row.

    Args:
        pipeline: Trained with ``model.intervals``.
        table: Rows with the columns that the transform reads.
        confidence: The share of labels that lie inside, of rows like those held back in training; 0.9 for instance.
        threads: Of BLAS and OpenMP.

    Returns:
        The prediction of each row, which is that of :func:`predict_scores`, and its bounds.

    Raises:
        DataError: As :func:`predict_scores`; or too few rows were held back for such a confidence.
        ModelError: As :func:`predict_scores`; or the model was trained without intervals.
    """
    from mlcore.training.intervals import Intervals, margins_of

    low, high = margins_of(pipeline[-1], confidence)
    prediction = predict_scores(pipeline, table, threads=threads)
    return Intervals(low=prediction + low, prediction=prediction, high=prediction + high)


def _whole_blocks(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The rows and, up to a whole number of blocks, the last one again.

    Linear algebra adds up the rows of an unfinished block in another order than those of a whole one: so that a row
    has the same bits alone and among any others, there are only whole blocks.
    """
    unfinished = len(features) % _BLOCK_ROWS
    if not unfinished:
        return features
    return np.concatenate([features, np.repeat(features[-1:], _BLOCK_ROWS - unfinished, axis=0)])
