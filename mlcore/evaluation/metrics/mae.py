"""Mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import NUMBERS, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Mae(Metric):
    """Mean of ``|prediction - label|``, in the label's unit."""

    name = "mae"
    higher_is_better = False
    tasks = NUMBERS
    most = None

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, np.abs(sample.scores - sample.labels))
