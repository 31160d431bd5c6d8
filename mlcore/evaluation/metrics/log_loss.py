"""Logarithmic loss."""

from __future__ import annotations

import numpy as np

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample

_SMALLEST = float(np.finfo(np.float64).eps)


class LogLoss(Metric):
    """Mean of ``-log(probability given to what happened)``; a probability of 0 counts as 2.2e-16."""

    name = "log_loss"
    higher_is_better = False
    most = None

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        given = np.where(sample.positive, sample.scores, 1.0 - sample.scores)
        losses = -np.log(np.clip(given, _SMALLEST, 1.0))
        mean = float(losses.mean())
        return mean, losses - mean
