"""Calibration as a ratio."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.base import BINARY, Measured, Metric, ratio_of
from mlcore.evaluation.sample import Sample


@dataclass(frozen=True)
class Calibration(Metric):
    """Sum of the probabilities over the number of positive rows; 1 is right on the whole."""

    name = "calibration"
    higher_is_better = None
    tasks = BINARY
    most = None

    def measure(self, sample: Sample) -> Measured:
        return ratio_of(sample, sample.scores, sample.labels, undefined="no row has the label 1")
