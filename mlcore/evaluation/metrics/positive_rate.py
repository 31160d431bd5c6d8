"""Share of rows predicted positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class PositiveRate(Metric):
    """Share of rows predicted positive: what demographic parity compares.

    Attributes:
        threshold: A score must be greater.
    """

    name = "positive_rate"
    higher_is_better = None
    interval = "wilson"
    standard = False
    threshold: float = 0.5

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, (sample.scores > self.threshold).astype(np.float64))
