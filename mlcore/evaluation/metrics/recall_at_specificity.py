"""Recall at a specificity."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.operating import AtPoint, Points
from mlcore.evaluation.sample import Floats


@dataclass(frozen=True)
class RecallAtSpecificity(AtPoint):
    """Greatest recall of the thresholds that leave at least this share of the negative rows negative."""

    name = "recall_at_specificity"
    specificity: float = 0.9

    def of_points(self, points: Points) -> tuple[Floats, Floats, float]:
        return points.recall, points.specificity, self.specificity
