"""Weighted absolute percentage error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import REGRESSION, Measured, Metric, ratio_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Wape(Metric):
    """Sum of ``|prediction - label|`` over the sum of ``|label|``: zeros among the labels do no harm."""

    name = "wape"
    higher_is_better = False
    tasks = REGRESSION
    most = None

    def measure(self, sample: Sample) -> Measured:
        errors, sizes = np.abs(sample.scores - sample.labels), np.abs(sample.labels)
        return ratio_of(sample, errors, sizes, undefined="all labels are 0")
