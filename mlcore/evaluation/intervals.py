"""Intervals from influence: how much each row moves a metric.

A metric's estimate is, to first order, its true value plus the mean of its rows' influence (Hampel, 1974). Its variance
is that of a mean, so one formula gives intervals of every metric, of differences between two models on the same rows
(subtract the influences), and of rows that are not independent (add up the influence within each cluster first: Liang
and Zeger, 1986; for the area under the curve this is Obuchowski, 1997, and with a row a cluster DeLong et al., 1988).

Few clusters make such a variance too small and its distribution too narrow. Each cluster's sum is corrected for its
share of the whole (the CR2 of Bell and McCaffrey, 2002), and the interval is of Student's t with Satterthwaite's
degrees of freedom (Pustejovsky and Tipton, 2018), the fewer of two models of the rows: independent, or alike within a
cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mlcore.evaluation.sample import Codes, Floats

MIN_CLUSTERS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How sure an estimate is.

    Attributes:
        error: Standard error.
        clusters: Groups of rows that are independent of one another; ``None``: every row is.
        degrees: Of freedom of Student's t; ``None``: the normal distribution.
        trials: Of a proportion: the number of independent rows that would be as sure; its interval is Wilson's.
    """

    error: float
    clusters: int | None = None
    degrees: float | None = None
    trials: float | None = None


def spread(influence: Floats, *, base: Floats | None = None, clusters: Codes | None = None) -> Spread | None:
    """The spread of a metric with a known influence.

    Args:
        influence: Of each row; its mean is 0.
        base: How much of what the metric rests on each row is; ``None``: all alike.
        clusters: A small number for each row; rows of one cluster may depend on one another. With ``None``, or where
            all rows are of one cluster, rows are taken as independent.

    Returns:
        ``None`` where it rests on one row.
    """
    rows = len(influence)
    if clusters is not None:
        shares = np.bincount(clusters, weights=base)
        if np.count_nonzero(shares) >= MIN_CLUSTERS:
            # A cluster that the metric does not rest on may still move it: predictions where nothing was positive do.
            present = np.flatnonzero(np.bincount(clusters))
            sums = np.bincount(clusters, weights=influence)[present] / rows
            return _of_clusters(sums, shares[present] / shares.sum())
    if rows < 2:
        return None
    counted = rows if base is None else max(int(np.count_nonzero(base)), 2)
    squares = float(influence @ influence)
    return Spread(error=math.sqrt(squares * counted / (counted - 1)) / rows, degrees=counted - 1.0)


def as_proportion(found: Spread, value: float, *, base: Floats | None, rows: int) -> Spread:
    """The spread of a share of rows: Wilson's interval for as many independent rows as it is worth."""
    counted = rows if base is None else int(np.count_nonzero(base))
    variance = value * (1.0 - value)
    if found.error == 0.0 or variance <= 0.0:
        return replace(found, trials=float(counted), degrees=None if found.clusters is None else found.degrees)
    if found.clusters is not None:
        return replace(found, trials=variance / found.error**2)
    # Wilson's needs no correction for the mean being estimated.
    trials = variance / (found.error**2 * (counted - 1) / counted) if counted > 1 else float(counted)
    return replace(found, trials=trials, degrees=None)


def _of_clusters(sums: Floats, shares: Floats) -> Spread:
    corrections = 1.0 / np.maximum(1.0 - shares, 1e-9)
    variance = float((corrections * sums) @ sums)
    degrees = min(_degrees_independent(shares, corrections), _degrees_alike(shares, corrections))
    return Spread(error=math.sqrt(variance), clusters=int(np.count_nonzero(shares)), degrees=max(degrees, 1.0))


def _degrees_independent(shares: Floats, corrections: Floats) -> float:
    """Of ``sum a u^2``, where the u are sums of residuals of rows with one variance: ``cov = h [i = j] - h_i h_j``."""
    own = corrections * shares * (1.0 - shares)
    crossed = corrections * shares**2
    return float(own.sum() ** 2 / (own @ own + crossed.sum() ** 2 - crossed @ crossed))


def _degrees_alike(shares: Floats, corrections: Floats) -> float:
    """The same, where all rows of a cluster have one residual: ``cov = h_i h_j ([i = j] - h_i - h_j + sum h^2)``."""
    b, q = corrections * shares**2, float(shares @ shares)
    own = b * (1.0 - 2.0 * shares + q)
    sums = [float(b @ shares**power) for power in range(3)]
    everything = q**2 * sums[0] ** 2 + 2 * sums[2] * sums[0] - 4 * q * sums[1] * sums[0] + 2 * sums[1] ** 2
    diagonal = b * (q - 2.0 * shares)
    return float(own.sum() ** 2 / (everything - diagonal @ diagonal + own @ own))


def bounds(
    value: float, found: Spread, confidence: float, limits: tuple[float | None, float | None]
) -> tuple[float, float]:
    """The two-sided interval of an estimate."""
    quantile = _quantile(confidence, found.degrees)
    if found.trials is not None:
        lower, upper = _wilson(value, found.trials, quantile)
        return min(lower, value), max(upper, value)
    reach = found.error * quantile if found.error else 0.0
    least, most = limits
    lower = value - reach if least is None else max(value - reach, min(least, value))
    upper = value + reach if most is None else min(value + reach, max(most, value))
    return lower, upper


def _wilson(share: float, trials: float, quantile: float) -> tuple[float, float]:
    """Wilson (1927)."""
    squared = quantile**2 / trials
    centre = (share + squared / 2.0) / (1.0 + squared)
    half = math.sqrt(max(share * (1.0 - share), 0.0) / trials + squared / (4.0 * trials)) * quantile / (1.0 + squared)
    return max(centre - half, 0.0), min(centre + half, 1.0)


def _quantile(confidence: float, degrees: float | None) -> float:
    probability = 0.5 + confidence / 2
    from scipy.special import ndtri, stdtrit

    return float(ndtri(probability) if degrees is None else stdtrit(degrees, probability))
