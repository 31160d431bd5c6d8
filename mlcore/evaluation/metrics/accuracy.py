"""Share of rows that are right at one half."""

from __future__ import annotations

import numpy as np

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample


class Accuracy(Metric):
    """Share of rows whose class is the one that a probability above 0.5 stands for."""

    name = "accuracy"
    higher_is_better = True

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        right = ((sample.scores > 0.5) == sample.positive).astype(np.float64)
        mean = float(right.mean())
        return mean, right - mean
