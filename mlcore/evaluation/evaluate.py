"""How good one model is, overall and by slice."""

from __future__ import annotations

from typing import Unpack

import pyarrow as pa

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.rows import About, Column, prepare
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.values import Evaluation

CONFIDENCE = 0.95


def evaluate(
    labels: Column,
    scores: Floats,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    confidence: float = CONFIDENCE,
    **about: Unpack[About],
) -> Evaluation:
    """Every metric of every slice, with intervals; the same bits for every order of the rows.

    Args:
        labels: Of each row; rows without a label are left out. Of two classes 0 or 1.
        scores: The model's probability of 1, or its prediction, for the same rows; a column a class where there are
            several.
        columns: A table of the same rows that holds the columns of the slices, and of the key.
        config: Metrics, slices, and how many rows a slice must have.
        confidence: Of the two-sided intervals.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Raises:
        ConfigError: A metric or a slice's column is unknown, or has no meaning for the task.
        DataError: No row has a label, or one cannot be.
        ModelError: A score cannot be.
    """
    return measure_slices(prepare(labels, [scores], columns, config.measured_slices, about), config, confidence)
