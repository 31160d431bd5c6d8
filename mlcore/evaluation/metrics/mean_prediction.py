"""Mean of the predictions."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import NUMBERS, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class MeanPrediction(Metric):
    """Mean score: with :mod:`mean_label` it says whether predictions are too high on the whole."""

    name = "mean_prediction"
    higher_is_better = None
    tasks = NUMBERS
    least = None
    most = None

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, sample.scores)
