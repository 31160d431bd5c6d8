"""Specificity at a recall."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.operating import AtPoint, Points
from mlcore.evaluation.sample import Floats


@dataclass(frozen=True)
class SpecificityAtRecall(AtPoint):
    """Greatest specificity of the thresholds that find at least this share of the positive rows."""

    name = "specificity_at_recall"
    recall: float = 0.8

    def of_points(self, points: Points) -> tuple[Floats, Floats, float]:
        return points.specificity, points.recall, self.recall
