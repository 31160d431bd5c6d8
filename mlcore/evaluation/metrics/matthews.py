"""Matthews' correlation coefficient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import Measured, Metric, Undefined
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Matthews(Metric):
    """Correlation of decision and label (Matthews, 1975); its influence is that of a correlation coefficient.

    Attributes:
        threshold: A score must be greater.
    """

    name = "matthews"
    higher_is_better = True
    least = -1.0
    standard = False
    threshold: float = 0.5

    def measure(self, sample: Sample) -> Measured:
        said = (sample.scores > self.threshold).astype(np.float64)
        means = sample.mean(said), sample.mean(sample.labels)
        variances = [mean * (1.0 - mean) for mean in means]
        if min(variances) <= 0.0:
            raise Undefined("all rows have one label, or are decided alike")
        one = (said - means[0]) / math.sqrt(variances[0])
        two = (sample.labels - means[1]) / math.sqrt(variances[1])
        value = sample.mean(one * two)
        influence = one * two - 0.5 * value * (one**2 + two**2)
        return Measured(value, sample.weighted(influence) * (sample.rows / sample.total))
