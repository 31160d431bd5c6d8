"""Top-k accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import Measured, Metric, mean_of
from mlcore.evaluation.sample import Sample
from mlcore.evaluation.task import Task


@dataclass(frozen=True)
class TopKAccuracy(Metric):
    """Share of rows whose class is among the k likeliest; fewer than k others may have a probability as great.

    Attributes:
        k: How many.
    """

    name = "top_k_accuracy"
    higher_is_better = True
    tasks = frozenset({Task.MULTICLASS})
    interval = "wilson"
    k: int = 2

    def measure(self, sample: Sample) -> Measured:
        given = np.take_along_axis(sample.scores, sample.labels.astype(np.int64)[:, None], axis=1)
        others = (sample.scores >= given).sum(axis=1) - 1
        return mean_of(sample, (others < self.k).astype(np.float64))
