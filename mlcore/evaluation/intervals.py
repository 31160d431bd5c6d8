"""Intervals from influence: how much each row moves a metric.

A metric's estimate is, to first order, its true value plus the mean of its rows' influence (Hampel, 1974). Its variance
is that of a mean, so one formula gives intervals of every metric, of differences between two models on the same rows
(subtract the influences), and of rows that are not independent (add up the influence within each cluster first: Liang
and Zeger, 1986; for the area under the curve this is Obuchowski, 1997, and with a row a cluster DeLong et al., 1988).
"""

from __future__ import annotations

import math

import numpy as np

from mlcore.evaluation.sample import Codes, Floats

MIN_CLUSTERS = 2


def standard_error(influence: Floats, clusters: Codes | None) -> tuple[float, int | None]:
    """Standard error of a metric, and the number of clusters it rests on.

    Args:
        influence: Of each row, two at least; its mean is 0.
        clusters: A small number for each row; rows of one cluster may depend on one another. With ``None``, or where
            all rows are of one cluster, rows are taken as independent.
    """
    rows = len(influence)
    if clusters is not None:
        sums = np.bincount(clusters, weights=influence)
        present = int(np.count_nonzero(np.bincount(clusters)))
        if present >= MIN_CLUSTERS:
            variance = float(sums @ sums) * present / (present - 1) / rows**2
            return math.sqrt(variance), present
    return math.sqrt(float(np.sum(influence * influence)) / (rows * (rows - 1))), None


def bounds(
    value: float,
    error: float,
    clusters: int | None,
    confidence: float,
    limits: tuple[float | None, float | None],
) -> tuple[float, float]:
    """Two-sided interval: Student's t with a degree of freedom less than clusters, or the normal distribution."""
    reach = error * _quantile(confidence, clusters) if error else 0.0
    least, most = limits
    lower = value - reach if least is None else max(value - reach, min(least, value))
    upper = value + reach if most is None else min(value + reach, max(most, value))
    return lower, upper


def _quantile(confidence: float, clusters: int | None) -> float:
    probability = 0.5 + confidence / 2
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if clusters is None else stdtrit(clusters - 1, probability))
