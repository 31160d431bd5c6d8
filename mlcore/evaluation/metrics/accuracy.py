"""Share of rows that are decided right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Accuracy(Metric):
    """Share of rows whose class is the one decided for: above the threshold, or the likeliest of several.

    Attributes:
        threshold: Of two classes; a score must be greater.
    """

    name = "accuracy"
    higher_is_better = True
    tasks = CLASSES
    interval = "wilson"
    threshold: float = 0.5

    def measure(self, sample: Sample) -> Measured:
        if sample.classes:
            right = sample.decided == sample.labels
        else:
            right = (sample.scores > self.threshold) == sample.positive
        return mean_of(sample, right.astype(np.float64))
