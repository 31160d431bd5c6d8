"""Average precision."""

from __future__ import annotations

import numpy as np

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample


class AveragePrecision(Metric):
    """Mean, over the positive rows, of the precision among rows scored at least as high.

    With T(s) and R(s) the shares of all rows that are positive, and that are any, with a score of at least s, and p the
    share of positives, it is E[y T/R] / p. The influence is the derivative of that towards one row (y, s):
    ``(y (T(s)/R(s) - AP + E[y' 1(s' <= s) / R(s')]) - E[y' 1(s' <= s) T(s') / R(s')^2]) / p``.
    """

    name = "average_precision"
    higher_is_better = True
    needs_both_classes = True

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        ranking, rows = sample.ranking, sample.rows
        share = sample.positives / rows
        at_least = np.cumsum((ranking.positives + ranking.negatives)[::-1])[::-1] / rows
        true = np.cumsum(ranking.positives[::-1])[::-1] / rows
        precision = true / at_least
        mass = ranking.positives / rows
        value = float(mass @ precision) / share
        gained = np.cumsum(mass / at_least)
        lost = np.cumsum(mass * precision / at_least)
        of_positive = (precision - value + gained - lost) / share
        of_negative = -lost / share
        return value, np.where(sample.positive, of_positive[ranking.group], of_negative[ranking.group])
