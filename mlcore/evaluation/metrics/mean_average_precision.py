"""Mean average precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.per_query import PerQuery, Queries
from mlcore.evaluation.sample import Floats, Sample


@dataclass(frozen=True)
class MeanAveragePrecision(PerQuery):
    """Mean over queries of the mean, over their relevant rows, of the precision down to each of them."""

    name = "mean_average_precision"
    higher_is_better = True

    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        relevant = (queries.labels > 0.0).astype(np.float64)
        running = np.cumsum(relevant)
        before = np.concatenate(([0.0], running))[queries.starts]
        precision = (running - before[queries.query]) / (queries.place + 1.0)
        found = queries.sums(relevant)
        values: Floats = np.divide(
            queries.sums(relevant * precision), found, out=np.full(len(found), np.nan), where=found > 0.0
        )
        return values
