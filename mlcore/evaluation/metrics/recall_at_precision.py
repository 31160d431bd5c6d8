"""Recall at a precision."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.evaluation.metrics.operating import AtPoint, Points
from mlcore.evaluation.sample import Floats


@dataclass(frozen=True)
class RecallAtPrecision(AtPoint):
    """Greatest recall of the thresholds whose precision is at least this."""

    name = "recall_at_precision"
    precision: float = 0.5

    def of_points(self, points: Points) -> tuple[Floats, Floats, float]:
        return points.recall, points.precision, self.precision
