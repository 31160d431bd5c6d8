"""Metrics of a ranking: a value a query, then the mean over queries, which are what is independent."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from mlcore.evaluation.metrics.base import RANKING, Measured, Metric, Undefined
from mlcore.evaluation.sample import Codes, Floats, Sample


@dataclass(frozen=True, eq=False)
class Queries:
    """Rows by query, each query's by falling score; rows with equal scores stay in the order they came in.

    Attributes:
        order: The rows in this order.
        labels: Their relevances.
        starts: Where each query begins.
        place: For each row which of its query's it is, from 0.
        query: For each row which query it belongs to, from 0.
    """

    order: Codes
    labels: Floats
    starts: Codes
    place: Codes
    query: Codes

    @classmethod
    def of(cls, sample: Sample, by: Floats) -> Queries:
        assert sample.queries is not None
        order = np.lexsort((-by, sample.queries))
        queries = sample.queries[order]
        first = np.concatenate(([True], queries[1:] != queries[:-1]))
        starts = np.flatnonzero(first)
        query = np.cumsum(first) - 1
        return cls(order, sample.labels[order], starts, np.arange(len(order)) - starts[query], query)

    def sums(self, values: Floats) -> Floats:
        """Of each query."""
        return np.add.reduceat(values, self.starts)


@dataclass(frozen=True)
class PerQuery(Metric):
    """The mean over queries; a query's weight is its first row's."""

    tasks = RANKING

    @abstractmethod
    def of_queries(self, sample: Sample, queries: Queries) -> Floats:
        """A value a query; NaN where it has none, such as where nothing is relevant."""

    def measure(self, sample: Sample) -> Measured:
        if sample.queries is None:
            raise Undefined("rows have no query: name the column that says which are ranked together")
        queries = Queries.of(sample, sample.scores)
        values = self.of_queries(sample, queries)
        first = queries.order[queries.starts]
        weights = np.ones(len(first)) if sample.weights is None else sample.weights[first]
        known = ~np.isnan(values) & (weights > 0.0)
        if not known.any():
            raise Undefined("no query has a relevant row")
        value = float(np.average(values[known], weights=weights[known]))
        influence, base = np.zeros(sample.rows), np.zeros(sample.rows)
        base[first[known]] = weights[known]
        influence[first[known]] = weights[known] * (values[known] - value) * (sample.rows / float(weights[known].sum()))
        return Measured(value, influence, base)
