"""Metrics at an operating point: the threshold that keeps one rate where it must be, chosen on the same rows."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import Measured, Metric, Undefined, both_classes
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True, slots=True)
class Points:
    """What each threshold gives: rows with a score of at least the k-th highest are predicted positive.

    Attributes:
        precision: Where any row is predicted positive.
        recall: Share of the positive rows.
        specificity: Share of the negative rows that is predicted negative.
    """

    precision: Floats
    recall: Floats
    specificity: Floats

    @classmethod
    def of(cls, sample: Sample) -> Points:
        """Made once of a sample, for all metrics that need them."""
        known = sample.__dict__.get("_points")
        if isinstance(known, Points):
            return known
        made = cls._made(sample)
        sample.__dict__["_points"] = made
        return made

    @classmethod
    def _made(cls, sample: Sample) -> Points:
        both_classes(sample)
        ranking = sample.ranking
        true, false = np.cumsum(ranking.positives[::-1]), np.cumsum(ranking.negatives[::-1])
        if true[-1] <= 0.0 or false[-1] <= 0.0:
            raise Undefined("one of the labels has no weight")
        kept = (ranking.positives + ranking.negatives)[::-1] > 0.0
        true, false = true[kept], false[kept]
        return cls(precision=true / (true + false), recall=true / true[-1], specificity=1.0 - false / false[-1])


@dataclass(frozen=True)
class AtPoint(Metric):
    """The best value of one rate among the thresholds at which another one reaches what is asked."""

    standard = False
    higher_is_better = True

    @abstractmethod
    def of_points(self, points: Points) -> tuple[Floats, Floats, float]:
        """The rate, the rate that is held, and what the latter must reach."""

    def measure(self, sample: Sample) -> Measured:
        rate, held, needed = self.of_points(Points.of(sample))
        reached = held >= needed - 1e-12
        if not reached.any():
            raise Undefined(f"no threshold reaches {needed:g}")
        return Measured(float(rate[reached].max()))
