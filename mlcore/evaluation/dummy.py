"""The prediction that is the same for every row: what a first model must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlcore.core.types import Json
from mlcore.errors import DataError
from mlcore.evaluation.rows import Column
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.task import Task


def dummy_scores(labels: Column, rows: int, *, task: Task = Task.BINARY, classes: Sequence[Json] = ()) -> Floats:
    """What scikit-learn's ``DummyClassifier(strategy="prior")`` and ``DummyRegressor`` predict.

    Args:
        labels: Of the training rows; rows without a label are left out.
        rows: How many rows to predict.
        task: Of a ranking every row gets 0.
        classes: Of several classes: the labels, in the order of the columns of scores.

    Raises:
        DataError: No training row has a label.
    """
    if task is Task.RANKING:
        return np.zeros(rows)
    known = labels.drop_null()
    if not len(known):
        raise DataError("no training row has a label", next_step="check data.label.delay and window.train")
    if task is Task.MULTICLASS:
        places = pc.index_in(known, value_set=pa.array(list(classes), known.type)).drop_null().to_numpy()
        shares = np.bincount(places, minlength=len(classes)) / len(places)
        return np.tile(shares, (rows, 1))
    return np.full(rows, float(pc.mean(pc.cast(known, pa.float64())).as_py()))
