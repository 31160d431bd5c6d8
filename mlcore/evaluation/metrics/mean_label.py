"""Mean of the labels."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import NUMBERS, Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class MeanLabel(Metric):
    """Mean label: of two classes the share of the positive one."""

    name = "mean_label"
    higher_is_better = None
    tasks = NUMBERS
    least = None
    most = None

    def measure(self, sample: Sample) -> Measured:
        return mean_of(sample, sample.labels)
