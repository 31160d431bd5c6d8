"""Rows that a metric is computed on, with what several metrics need of them computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """The distinct scores in ascending order, with the number of positive and negative rows at each.

    Attributes:
        group: For each row, the index of its score.
        positives: Positive rows by distinct score.
        negatives: Negative rows by distinct score.
    """

    group: Codes
    positives: Codes
    negatives: Codes


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and scores of the same rows.

    Attributes:
        positive: Which rows are of the positive class.
        scores: Probability of the positive class.
    """

    positive: npt.NDArray[np.bool_]
    scores: Floats

    @property
    def rows(self) -> int:
        return len(self.scores)

    @cached_property
    def labels(self) -> Floats:
        """1 for positive rows, 0 for the others."""
        return self.positive.astype(np.float64)

    @cached_property
    def positives(self) -> int:
        return int(self.positive.sum())

    @property
    def negatives(self) -> int:
        return self.rows - self.positives

    @cached_property
    def ranking(self) -> Ranking:
        order = np.argsort(self.scores, kind="stable")
        ordered = self.scores[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        group = np.empty(self.rows, dtype=np.int64)
        group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, self.rows)))
        positives = np.add.reduceat(self.positive[order].astype(np.int64), starts)
        negatives = np.diff(np.append(starts, self.rows)) - positives
        return Ranking(group=group, positives=positives, negatives=negatives)
