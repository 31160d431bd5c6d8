"""Recall at k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.per_query import PerQuery, Queries
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class RecallAtK(PerQuery):
    """Mean over queries of the share of their relevant rows that is among the first k.

    Attributes:
        k: How many.
    """

    name = "recall_at_k"
    higher_is_better = True
    k: int = 10

    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        relevant = queries.labels > 0.0
        found = queries.sums((relevant & (queries.place < self.k)).astype(np.float64))
        there = queries.sums(relevant.astype(np.float64))
        values: Floats = np.divide(found, there, out=np.full(len(there), np.nan), where=there > 0.0)
        return values
