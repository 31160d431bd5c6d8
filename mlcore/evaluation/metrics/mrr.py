"""Mean reciprocal rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.per_query import PerQuery, Queries
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class Mrr(PerQuery):
    """Mean over queries of 1 over the place of the first relevant row."""

    name = "mrr"
    higher_is_better = True

    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        first = np.maximum.reduceat(np.where(queries.labels > 0.0, 1.0 / (queries.place + 1.0), 0.0), queries.starts)
        return np.where(first > 0.0, first, np.nan)
