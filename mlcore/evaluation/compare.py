"""How two models differ on the same rows: the challenger's metrics less the champion's."""

from __future__ import annotations

from typing import Unpack

import pyarrow as pa

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.evaluate import CONFIDENCE
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.rows import About, Column, prepare
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.values import Comparison


def compare(
    labels: Column,
    challenger: Floats,
    champion: Floats,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    confidence: float = CONFIDENCE,
    **about: Unpack[About],
) -> Comparison:
    """Paired differences of every metric of every slice, with intervals.

    What moves both models' metrics alike, such as a hard day, cancels out: the intervals are those of the difference,
    much narrower than those of either metric.

    Args:
        labels: Of each row; rows without a label are left out.
        challenger: Its probability of 1, or its prediction.
        champion: The champion's, for the same rows.
        columns: A table of the same rows that holds the columns of the slices, and of the key.
        config: Metrics, slices, and how many rows a slice must have.
        confidence: Of the two-sided intervals.
        about: Task, clusters, weights and the like: :class:`~mlcore.evaluation.rows.About`.

    Raises:
        ConfigError: A metric or a slice's column is unknown, or has no meaning for the task.
        DataError: No row has a label, or one cannot be.
        ModelError: A score cannot be.
    """
    rows = prepare(labels, [challenger, champion], columns, config.measured_slices, about)
    return measure_slices(rows, config, confidence)
