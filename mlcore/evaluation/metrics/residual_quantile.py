"""Quantiles of the residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class ResidualQuantile(Metric):
    """The smallest residual ``label - prediction`` that this share of the weight does not exceed.

    Attributes:
        quantile: Between 0 and 1.
    """

    name = "residual_quantile"
    higher_is_better = None
    tasks = REGRESSION
    least = None
    most = None
    quantile: float = 0.9

    def measure(self, sample: Sample) -> Measured:
        residuals = sample.labels - sample.scores
        order = np.argsort(residuals, kind="stable")
        weights = np.ones(sample.rows) if sample.weights is None else sample.weights
        reached = np.cumsum(weights[order])
        # Half a unit in the last place of the sum: so many rows of equal weight reach their share exactly.
        place = int(np.searchsorted(reached, self.quantile * reached[-1] * (1.0 - 1e-12)))
        return Measured(float(residuals[order[min(place, sample.rows - 1)]]))
