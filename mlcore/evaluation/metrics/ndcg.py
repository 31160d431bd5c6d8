"""Normalised discounted cumulative gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.per_query import PerQuery, Queries
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class Ndcg(PerQuery):
    """Mean over queries of the discounted relevance of the first k rows over the best possible one.

    Järvelin and Kekäläinen (2002): the gain is the relevance, the discount the binary logarithm of the place plus 1.

    Attributes:
        k: How many rows of a query count.
    """

    name = "ndcg"
    higher_is_better = True
    k: int = 10

    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        gained, best = self._gain(queries), self._gain(Queries.of(sample, sample.labels))
        values: Floats = np.divide(gained, best, out=np.full(len(best), np.nan), where=best > 0.0)
        return values

    def _gain(self, queries: Queries) -> Floats:
        counted = queries.place < self.k
        return queries.sums(np.where(counted, queries.labels / np.log2(queries.place + 2.0), 0.0))
