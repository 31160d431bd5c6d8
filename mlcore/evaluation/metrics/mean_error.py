"""Mean error."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class MeanError(Metric):
    """Mean of ``prediction - label``: the bias, above 0 where predictions are too high."""

    name = "mean_error"
    higher_is_better = None
    tasks = REGRESSION
    least = None
    most = None

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, sample.scores - sample.labels)
