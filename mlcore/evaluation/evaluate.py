"""How good one model is, overall and by slice."""

from __future__ import annotations

import pyarrow as pa

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.rows import checked_scores, labelled_rows
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.values import Evaluation

CONFIDENCE = 0.95


def evaluate(
    labels: pa.Array | pa.ChunkedArray,
    scores: Floats,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    clusters: pa.Array | pa.ChunkedArray | None = None,
    confidence: float = CONFIDENCE,
) -> Evaluation:
    """Every metric of every slice, with intervals.

    Args:
        labels: 0, 1 or null; rows without a label are left out.
        scores: The model's probability of 1, for the same rows.
        columns: A table of the same rows that holds the columns of the slices.
        config: Metrics, slices, and how many rows a slice must have.
        clusters: Rows with equal values may depend on one another: for instance the day, which shares its weather.
            Without it, and where all rows are of one cluster, rows are taken as independent.
        confidence: Of the two-sided intervals.

    Raises:
        ConfigError: A metric or a slice's column is unknown.
        DataError: No row has a label, or one is neither 0 nor 1.
        ModelError: A score is no probability.
    """
    rows = labelled_rows(labels, columns, clusters)
    return measure_slices(rows, [checked_scores(scores, rows, given=len(labels))], config, confidence)
