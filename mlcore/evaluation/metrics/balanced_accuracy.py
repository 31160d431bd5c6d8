"""Balanced accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.averages import averaged
from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, ratio_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class BalancedAccuracy(Metric):
    """Mean over the classes that are there of the share of their rows that is decided right.

    Attributes:
        threshold: Of two classes; a score must be greater.
    """

    name = "balanced_accuracy"
    higher_is_better = True
    tasks = CLASSES
    threshold: float = 0.5

    def measure(self, sample: Sample) -> Measured:
        decided = sample.decided if sample.classes else (sample.scores > self.threshold).astype(np.int64)
        recalls = []
        for index in range(sample.classes or 2):
            truth = sample.labels == index
            if truth.any():
                right = (truth & (decided == index)).astype(np.float64)
                recalls.append((index, ratio_of(sample, right, truth.astype(np.float64), undefined="")))
        return averaged(sample, recalls, "macro")
