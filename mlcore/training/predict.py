"""Scores of a model: the one way evaluation, infra validation and bulk inference ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.errors import ModelError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def predict_scores(pipeline: Pipeline, table: pa.Table, *, threads: int = 1) -> npt.NDArray[np.float64]:
    """One number a row: the probability of the second class, or a regressor's prediction.

    Raises:
        DataError: A column that the transform reads is missing or of another type.
        ModelError: The model tells more than two classes apart, or gives no probabilities.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads):
        if not hasattr(pipeline, "classes_"):
            return np.asarray(pipeline.predict(table), dtype=np.float64)
        if not hasattr(pipeline, "predict_proba") or len(pipeline.classes_) != 2:
            raise ModelError(
                "the model does not give the probability of one of two classes",
                where=type(pipeline[-1]).__name__,
                next_step="choose an estimator with predict_proba and a label with two values",
            )
        return np.ascontiguousarray(pipeline.predict_proba(table)[:, 1], dtype=np.float64)
