"""Pinball loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Pinball(Metric):
    """Mean of ``quantile (y - p)`` where the label y is above the prediction p, ``(1 - quantile) (p - y)`` below.

    Koenker and Bassett (1978): least for predictions of that quantile.

    Attributes:
        quantile: Between 0 and 1.
    """

    name = "pinball"
    higher_is_better = False
    tasks = REGRESSION
    most = None
    quantile: float = 0.5

    def measure(self, sample: Sample) -> Measured:
        missed = sample.labels - sample.scores
        return mean_of(sample, np.maximum(self.quantile * missed, (self.quantile - 1.0) * missed))
