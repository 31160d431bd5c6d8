"""Logarithmic loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample

_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class LogLoss(Metric):
    """Mean of ``-log(probability given to what happened)``; a probability of 0 counts as 2.2e-16."""

    name = "log_loss"
    higher_is_better = False
    tasks = CLASSES
    most = None

    def measure(self, sample: Sample) -> Measured:
        if sample.classes:
            given = np.take_along_axis(sample.scores, sample.labels.astype(np.int64)[:, None], axis=1)[:, 0]
        else:
            given = np.where(sample.positive, sample.scores, 1.0 - sample.scores)
        return mean_of(sample, -np.log(np.clip(given, _SMALLEST, 1.0)))
