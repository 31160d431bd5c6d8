"""Precision at k."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.per_query import PerQuery, Queries
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class PrecisionAtK(PerQuery):
    """Mean over queries of the share of their first k rows, or of all where there are fewer, that is relevant.

    Attributes:
        k: How many.
    """

    name = "precision_at_k"
    higher_is_better = True
    k: int = 10

    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        counted = queries.place < self.k
        return queries.sums((counted & (queries.labels > 0.0)).astype(np.float64)) / queries.sums(
            counted.astype(np.float64)
        )
