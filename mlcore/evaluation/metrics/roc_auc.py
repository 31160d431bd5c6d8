"""Area under the receiver operating characteristic."""

from __future__ import annotations

import math

import numpy as np

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample


class RocAuc(Metric):
    """Share of pairs of a positive and a negative row in which the positive one has the higher score; ties are halves.

    DeLong, DeLong and Clarke-Pearson (1988), from ranks as in Sun and Xu (2014): O(n log n).
    """

    name = "roc_auc"
    higher_is_better = True
    needs_both_classes = True

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        ranking, positives, negatives = sample.ranking, sample.positives, sample.negatives
        # For each distinct score: the share of the other class that a row with it is ranked above.
        above_negatives = (np.cumsum(ranking.negatives) - 0.5 * ranking.negatives) / negatives
        below_positives = 1.0 - (np.cumsum(ranking.positives) - 0.5 * ranking.positives) / positives
        area = float(ranking.positives @ above_negatives) / positives
        of_positive = (above_negatives - area) * _unbiased(positives) * sample.rows / positives
        of_negative = (below_positives - area) * _unbiased(negatives) * sample.rows / negatives
        return area, np.where(sample.positive, of_positive[ranking.group], of_negative[ranking.group])


def _unbiased(count: int) -> float:
    """DeLong divides by the count less one."""
    return math.sqrt(count / (count - 1)) if count > 1 else 1.0
