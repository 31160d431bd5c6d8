"""Average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import Averaged, averaged
from mlcore.evaluation.metrics.base import Measured, Undefined, both_classes
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class AveragePrecision(Averaged):
    """Mean, over the positive rows, of the precision among rows scored at least as high.

    With T(s) and R(s) the shares of all rows that are positive, and that are any, with a score of at least s, and p the
    share of positives, it is E[y T/R] / p. The influence is the derivative of that towards one row (y, s):
    ``(y (T(s)/R(s) - AP + E[y' 1(s' <= s) / R(s')]) - E[y' 1(s' <= s) T(s') / R(s')^2]) / p``.
    """

    name = "average_precision"
    higher_is_better = True

    def measure(self, sample: Sample) -> Measured:
        if not sample.classes:
            return average_precision(sample)
        if self.average == "micro":
            raise Undefined("the precisions of several classes have no micro average: choose macro or weighted")
        sides = [(index, sample.of_class(index)) for index in range(sample.classes)]
        found = [(index, average_precision(side)) for index, side in sides if side.positives and side.negatives]
        return averaged(sample, found, self.average)


def average_precision(sample: Sample) -> Measured:
    """Of one class against the rest."""
    both_classes(sample)
    ranking, total = sample.ranking, sample.total
    mass = ranking.positives / total
    share = float(mass.sum())
    at_least = np.cumsum((ranking.positives + ranking.negatives)[::-1])[::-1] / total
    true = np.cumsum(mass[::-1])[::-1]
    precision = true / at_least
    value = float(mass @ precision) / share
    gained = np.cumsum(mass / at_least)
    lost = np.cumsum(mass * precision / at_least)
    of_positive = (precision - value + gained - lost) / share
    of_negative = -lost / share
    influence = np.where(sample.positive, of_positive[ranking.group], of_negative[ranking.group])
    return Measured(value, sample.weighted(influence) * (sample.rows / total))
