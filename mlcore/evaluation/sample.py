"""Rows that a metric is computed on, with what several metrics need of them computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ranking:
    """The distinct scores in ascending order, with the weight of positive and negative rows at each.

    Attributes:
        group: For each row, the index of its score.
        positives: Weight of the positive rows by distinct score.
        negatives: Weight of the negative rows by distinct score.
    """

    group: Codes
    positives: Floats
    negatives: Floats


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and scores of the same rows.

    Attributes:
        labels: 0 or 1; of several classes the index of each row's; of a regression the number; of a ranking the
            relevance.
        scores: Probability of the positive class, or prediction; of several classes a column each.
        weights: How much each row counts, more than 0; ``None``: all alike.
        queries: Of a ranking: a small number for each row, equal for rows that are ranked together.
    """

    labels: Floats
    scores: Floats
    weights: Floats | None = None
    queries: Codes | None = None

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """How many classes have a column of scores; 0 where scores are one number a row."""
        return self.scores.shape[1] if self.scores.ndim == 2 else 0

    @cached_property
    def total(self) -> float:
        """Weight of all rows."""
        return float(self.rows) if self.weights is None else float(self.weights.sum())

    @cached_property
    def positive(self) -> Bools:
        """Which rows are of the positive class."""
        positive: Bools = self.labels == 1.0
        return positive

    @cached_property
    def positives(self) -> int:
        return int(np.count_nonzero(self.positive))

    @property
    def negatives(self) -> int:
        return self.rows - self.positives

    @cached_property
    def decided(self) -> Codes:
        """Of several classes: the one with the greatest probability, the first of equals."""
        decided: Codes = self.scores.argmax(axis=1)
        return decided

    def weighted(self, values: Floats) -> Floats:
        return values if self.weights is None else values * self.weights

    def mean(self, values: Floats) -> float:
        """Weighted mean of a value a row."""
        return float(self.weighted(values).sum()) / self.total

    def of_class(self, index: int) -> Sample:
        """One class against the rest."""
        return self._by_class[index]

    @cached_property
    def _by_class(self) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                labels=(self.labels == index).astype(np.float64),
                scores=np.ascontiguousarray(self.scores[:, index]),
                weights=self.weights,
            )
            for index in range(self.classes)
        )

    @cached_property
    def _groups(self) -> tuple[Codes, int]:
        """The index of each row's score among the distinct ones, and their number."""
        scores = self.scores
        if bool(np.all(scores[1:] >= scores[:-1])):  # an evaluation's rows are in this order already
            group = np.zeros(self.rows, dtype=np.int64)
            np.cumsum(scores[1:] != scores[:-1], out=group[1:])
            return group, int(group[-1]) + 1
        order = np.argsort(scores, kind="stable")
        ordered = scores[order]
        sorted_group = np.zeros(self.rows, dtype=np.int64)
        np.cumsum(ordered[1:] != ordered[:-1], out=sorted_group[1:])
        group = np.empty(self.rows, dtype=np.int64)
        group[order] = sorted_group
        return group, int(sorted_group[-1]) + 1

    @cached_property
    def ranking(self) -> Ranking:
        group, count = self._groups
        everything = np.bincount(group, weights=self.weights, minlength=count).astype(np.float64)
        positives: Floats = np.bincount(group, weights=self.weighted(self.labels), minlength=count).astype(np.float64)
        return Ranking(group=group, positives=positives, negatives=everything - positives)

    def reweighted(self, factors: Floats) -> Sample:
        """The same rows, each counted as often as a replicate of the bootstrap says; what does not change is kept."""
        other = replace(self, weights=self.weighted(factors))
        for name in ("positive", "positives", "decided", "_groups"):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other
