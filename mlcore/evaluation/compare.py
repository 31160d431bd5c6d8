"""How two models differ on the same rows: the challenger's metrics less the champion's."""

from __future__ import annotations

import pyarrow as pa

from mlcore.config.evaluation import Evaluation as EvaluationConfig
from mlcore.evaluation.evaluate import CONFIDENCE
from mlcore.evaluation.measure import measure_slices
from mlcore.evaluation.rows import checked_scores, labelled_rows
from mlcore.evaluation.sample import Floats
from mlcore.evaluation.values import Comparison


def compare(
    labels: pa.Array | pa.ChunkedArray,
    challenger: Floats,
    champion: Floats,
    *,
    columns: pa.Table,
    config: EvaluationConfig,
    clusters: pa.Array | pa.ChunkedArray | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Paired differences of every metric of every slice, with intervals.

    What moves both models' metrics alike, such as a hard day, cancels out: the intervals are those of the difference,
    much narrower than those of either metric.

    Args:
        labels: 0, 1 or null; rows without a label are left out.
        challenger: Its probability of 1.
        champion: The champion's, for the same rows.
        columns: A table of the same rows that holds the columns of the slices.
        config: Metrics, slices, and how many rows a slice must have.
        clusters: Rows with equal values may depend on one another.
        confidence: Of the two-sided intervals.

    Raises:
        ConfigError: A metric or a slice's column is unknown.
        DataError: No row has a label, or one is neither 0 nor 1.
        ModelError: A score is no probability.
    """
    rows = labelled_rows(labels, columns, clusters)
    scores = [checked_scores(given, rows, given=len(labels)) for given in (challenger, champion)]
    return measure_slices(rows, scores, config, confidence)
