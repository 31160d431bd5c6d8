"""Lift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import Measured, Metric, Undefined, both_classes
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Lift(Metric):
    """How many times as frequent the positive class is among the highest scores as among all rows.

    Rows with equal scores at the border count in proportion.

    Attributes:
        top: Which share of the rows, from the highest score.
    """

    name = "lift"
    higher_is_better = True
    most = None
    standard = False
    top: float = 0.1

    def measure(self, sample: Sample) -> Measured:
        both_classes(sample)
        ranking = sample.ranking
        positives = np.concatenate(([0.0], np.cumsum(ranking.positives[::-1])))
        rows = np.concatenate(([0.0], np.cumsum((ranking.positives + ranking.negatives)[::-1])))
        if positives[-1] <= 0.0:
            raise Undefined("the label 1 has no weight")
        found = float(np.interp(self.top * rows[-1], rows, positives))
        return Measured(found / positives[-1] / self.top)
