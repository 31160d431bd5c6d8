"""Symmetric mean absolute percentage error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Smape(Metric):
    """Mean of ``2 |prediction - label| / (|prediction| + |label|)``, between 0 and 2; 0 where both are 0."""

    name = "smape"
    higher_is_better = False
    tasks = REGRESSION
    most = 2.0

    def measure(self, sample: Sample) -> Measured:
        size = np.abs(sample.scores) + np.abs(sample.labels)
        return mean_of(sample, 2.0 * np.abs(sample.scores - sample.labels) / np.where(size > 0.0, size, 1.0))
