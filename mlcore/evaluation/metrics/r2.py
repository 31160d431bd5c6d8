"""Coefficient of determination."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, ratio_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class R2(Metric):
    """1 less the squared errors over those of the mean label: 0 is as good as the mean, 1 is perfect.

    The mean label minimises the denominator, so that its own uncertainty does not move the ratio to first order.
    """

    name = "r2"
    higher_is_better = True
    tasks = REGRESSION
    least = None

    def measure(self, sample: Sample) -> Measured:
        spread = (sample.labels - sample.mean(sample.labels)) ** 2
        share = ratio_of(sample, (sample.scores - sample.labels) ** 2, spread, undefined="all labels are equal")
        assert share.influence is not None
        return Measured(1.0 - share.value, -share.influence)
