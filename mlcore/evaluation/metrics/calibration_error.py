"""Expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class CalibrationError(Metric):
    """Mean distance between probability and frequency over bins of equal width, weighted by their rows.

    Naeini, Cooper and Hauskrecht (2015); of several classes of the likeliest one (Guo et al., 2017). A well calibrated
    model's is above 0 by chance alone: about 0.8 times the standard error of a bin's frequency.

    Attributes:
        bins: How many.
    """

    name = "calibration_error"
    higher_is_better = False
    tasks = CLASSES
    bins: int = 10

    def measure(self, sample: Sample) -> Measured:
        if sample.classes:
            scores, outcome = sample.scores.max(axis=1), (sample.decided == sample.labels).astype(np.float64)
        else:
            scores, outcome = sample.scores, sample.labels
        bins = np.minimum((scores * self.bins).astype(np.int64), self.bins - 1)
        excess = scores - outcome
        signs = np.sign(np.bincount(bins, weights=sample.weighted(excess), minlength=self.bins))
        return mean_of(sample, signs[bins] * excess)
