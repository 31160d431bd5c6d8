"""Root mean squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlcore.evaluation.metrics.base import NUMBERS, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Rmse(Metric):
    """Root of the mean of ``(prediction - label) squared``, in the label's unit."""

    name = "rmse"
    higher_is_better = False
    tasks = NUMBERS
    most = None

    def measure(self, sample: Sample) -> Measured:
        squared = mean_of(sample, (sample.scores - sample.labels) ** 2)
        root = math.sqrt(squared.value)
        assert squared.influence is not None
        return Measured(root, squared.influence / (2.0 * root) if root else squared.influence)
