"""Area under the receiver operating characteristic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import Averaged, averaged
from mlcore.evaluation.metrics.base import Measured, Undefined, both_classes
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class RocAuc(Averaged):
    """Share of pairs of a positive and a negative row in which the positive one has the higher score; ties are halves.

    DeLong, DeLong and Clarke-Pearson (1988), from ranks as in Sun and Xu (2014): O(n log n). Of several classes each
    against the rest, averaged.
    """

    name = "roc_auc"
    higher_is_better = True
    interval = "delong"

    def measure(self, sample: Sample) -> Measured:
        if not sample.classes:
            return area(sample)
        if self.average == "micro":
            raise Undefined("the areas of several classes have no micro average: choose macro or weighted")
        sides = [(index, sample.of_class(index)) for index in range(sample.classes)]
        areas = [(index, area(side)) for index, side in sides if side.positives and side.negatives]
        return averaged(sample, areas, self.average)


def area(sample: Sample) -> Measured:
    """Of one class against the rest."""
    both_classes(sample)
    ranking = sample.ranking
    positives, negatives = float(ranking.positives.sum()), float(ranking.negatives.sum())
    # For each distinct score: the share of the other class that a row with it is ranked above.
    above_negatives = (np.cumsum(ranking.negatives) - 0.5 * ranking.negatives) / negatives
    below_positives = 1.0 - (np.cumsum(ranking.positives) - 0.5 * ranking.positives) / positives
    value = float(ranking.positives @ above_negatives) / positives
    of_positive = (above_negatives - value) * (_unbiased(sample.positives) * sample.rows / positives)
    of_negative = (below_positives - value) * (_unbiased(sample.negatives) * sample.rows / negatives)
    influence = sample.weighted(_by_row(sample, of_positive, of_negative))
    return Measured(value, influence, trials=min(sample.positives, sample.negatives))


def _by_row(sample: Sample, of_positive: Floats, of_negative: Floats) -> Floats:
    group = sample.ranking.group
    return np.where(sample.positive, of_positive[group], of_negative[group])


def _unbiased(count: int) -> float:
    """DeLong divides by the count less one."""
    return math.sqrt(count / (count - 1)) if count > 1 else 1.0
