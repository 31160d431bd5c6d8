"""Scores of a model: the one way evaluation, infra validation and bulk inference ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlcore.errors import ModelError, quoted

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def predict_scores(pipeline: Pipeline, table: pa.Table, *, threads: int = 1) -> npt.NDArray[np.float64]:
    """One number a row: the probability of the second class, or a regressor's prediction.

    Raises:
        DataError: A column that the transform reads is missing or of another type.
        ModelError: The model tells more than two classes apart, gives no probabilities, or refuses the rows.
    """
    from threadpoolctl import threadpool_limits

    classifies = hasattr(pipeline, "classes_")
    if classifies and not (hasattr(pipeline, "predict_proba") and len(pipeline.classes_) == 2):
        raise ModelError(
            "the model does not give the probability of one of two classes",
            where=type(pipeline[-1]).__name__,
            next_step="choose an estimator with predict_proba and a label with two values",
        )
    with threadpool_limits(limits=threads):
        try:
            scores = pipeline.predict_proba(table)[:, 1] if classifies else pipeline.predict(table)
        except ValueError as error:
            raise ModelError(
                f"the model refuses rows: {quoted(str(error), limit=300)}",
                where=type(pipeline[-1]).__name__,
                next_step="give features that it must not be without an option such as missing: 0",
            ) from error
    return np.ascontiguousarray(scores, dtype=np.float64)
