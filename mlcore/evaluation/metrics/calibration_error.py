"""Expected calibration error."""

from __future__ import annotations

import numpy as np

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample

BINS = 10


class CalibrationError(Metric):
    """Mean distance between probability and frequency over ten bins of equal width, weighted by their rows.

    Naeini, Cooper and Hauskrecht (2015). A well calibrated model's is above 0 by chance alone: about 0.8 times
    the standard error of a bin's frequency.
    """

    name = "calibration_error"
    higher_is_better = False

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        bins = np.minimum((sample.scores * BINS).astype(np.int64), BINS - 1)
        excess = sample.scores - sample.labels
        signs = np.sign(np.bincount(bins, weights=excess, minlength=BINS))
        parts = signs[bins] * excess
        value = float(parts.mean())
        return value, parts - value
