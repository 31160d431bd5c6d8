"""Brier score."""

from __future__ import annotations

from mlcore.evaluation.metrics.base import Metric
from mlcore.evaluation.sample import Floats, Sample


class Brier(Metric):
    """Mean of ``(probability - outcome) squared`` (Brier, 1950)."""

    name = "brier"
    higher_is_better = False

    def measure(self, sample: Sample) -> tuple[float, Floats]:
        losses = (sample.scores - sample.labels) ** 2
        mean = float(losses.mean())
        return mean, losses - mean
