"""Brier score."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import CLASSES, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Brier(Metric):
    """Mean of ``(probability - outcome) squared`` (Brier, 1950); of several classes half the sum over them."""

    name = "brier"
    higher_is_better = False
    tasks = CLASSES

    def measure(self, sample: Sample) -> Measured:
        if not sample.classes:
            return mean_of(sample, (sample.scores - sample.labels) ** 2)
        outcome = sample.labels[:, None] == range(sample.classes)
        return mean_of(sample, 0.5 * ((sample.scores - outcome) ** 2).sum(axis=1))
