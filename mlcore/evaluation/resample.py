"""Intervals of metrics whose influence nobody knows, by weighting the rows otherwise.

Each replicate of the Poisson bootstrap counts every row as often as a Poisson variable of mean 1 says (Hanley and
MacGibbon, 2006; Chamandy et al., 2012). The variable is drawn by a hash of the row's key and the number of the
replicate, so that it is the same whatever the order and the partition of the rows. Where rows are clustered, clusters
are drawn; few clusters cannot be drawn from, and are left out one at a time instead (the jackknife of Tukey, 1958).

Of very many rows not all are drawn from. Independent ones are sampled by the hashes of their keys, and the error of so
many is scaled to that of all (the m out of n bootstrap: Bickel, Goetze and van Zwet, 1997). Clusters are put into
random groups by the hashes of their keys, and the groups are left out one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mlcore.accumulators.hashing import Hashes, of_numbers
from mlcore.evaluation.intervals import MIN_CLUSTERS, Spread
from mlcore.evaluation.sample import Codes, Floats

REPLICATES = 200
FEW_CLUSTERS = 40
"""Fewer are left out one at a time."""

MANY_ROWS = 5_000
"""Of more rows that are independent so many are drawn from; of more rows that are not, the clusters are grouped."""

MOST_CLUSTERED = 500_000
"""Of more rows that are not independent so many are drawn from. What they add to the error is not taken off again: it
is little beside what differs between clusters, and an interval is rather too wide than too narrow."""

_GROUPS = 20

_BITS = 16
_PER_HASH = 64 // _BITS


def _poisson_table() -> npt.NDArray[np.uint8]:
    """A Poisson count of mean 1 for each of 65,536 equally likely numbers."""
    chances = np.array([math.exp(-1) / math.factorial(count) for count in range(12)])
    edges = np.round(np.cumsum(chances) * 2**_BITS)
    return np.searchsorted(edges, np.arange(2**_BITS), side="right").astype(np.uint8)


_POISSON = _poisson_table()


def poisson_counts(keys: Hashes, replicates: int = REPLICATES) -> Iterator[npt.NDArray[np.uint8]]:
    """For each replicate how often each key counts."""
    for block in range(-(-replicates // _PER_HASH)):
        salt = of_numbers(np.array([block + 1], dtype=np.int64))
        mixed = of_numbers((keys ^ salt).view(np.int64))
        for part in range(min(_PER_HASH, replicates - block * _PER_HASH)):
            yield _POISSON[(mixed >> np.uint64(part * _BITS)) & np.uint64(2**_BITS - 1)]


def resample(
    values: Callable[[Floats], Sequence[float]], keys: Hashes, clusters: Codes | None, cluster_keys: Hashes | None
) -> list[Spread | None]:
    """The spreads of some estimates.

    Args:
        values: The estimates with each row counted so often; NaN where one has none.
        keys: A hash of each row's key.
        clusters: Of each row; fewer than two different ones are as good as none.
        cluster_keys: A hash of each cluster's key.

    Returns:
        Of each estimate; ``None`` where most replicates have no value.
    """
    present = None if clusters is None else np.flatnonzero(np.bincount(clusters))
    if clusters is None or cluster_keys is None or present is None or len(present) < MIN_CLUSTERS:
        return _bootstrap(values(counts.astype(np.float64)) for counts in poisson_counts(keys))
    if len(present) < FEW_CLUSTERS:
        return _left_out(values, clusters)
    if len(clusters) > MANY_ROWS:
        found = _left_out(values, (cluster_keys % np.uint64(_GROUPS)).astype(np.int64)[clusters])
    else:
        found = _bootstrap(values(counts[clusters].astype(np.float64)) for counts in poisson_counts(cluster_keys))
    return [each and replace(each, clusters=len(present)) for each in found]


def thinned(keys: Hashes, weights: Floats | None, *, independent: bool) -> tuple[npt.NDArray[np.int64] | None, float]:
    """Which of very many rows to draw from, in order, ``None``: all; and the error of all rows over that of these."""
    most = MANY_ROWS if independent else MOST_CLUSTERED
    if len(keys) <= most:
        return None, 1.0
    picked = np.sort(np.argsort(keys, kind="stable")[:most])
    if not independent:
        return picked, 1.0
    if weights is None:
        return picked, math.sqrt(len(picked) / len(keys))
    return picked, math.sqrt(_worth(weights[picked]) / _worth(weights))


def _worth(weights: Floats) -> float:
    """So many rows of equal weight are as sure (Kish, 1965)."""
    return float(weights.sum()) ** 2 / float(weights @ weights)


def _left_out(values: Callable[[Floats], Sequence[float]], groups: Codes) -> list[Spread | None]:
    present = np.flatnonzero(np.bincount(groups))
    left_out = np.array([values((groups != one).astype(np.float64)) for one in present])
    degrees = len(present) - 1.0
    squares = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return [
        None
        if np.isnan(each)
        else Spread(error=math.sqrt(each * degrees / len(present)), clusters=len(present), degrees=degrees)
        for each in squares.tolist()
    ]


def _bootstrap(replicates: Iterator[Sequence[float]]) -> list[Spread | None]:
    found: list[Spread | None] = []
    for values in np.array(list(replicates)).T:
        known = values[~np.isnan(values)]
        found.append(Spread(error=float(known.std(ddof=1))) if len(known) > len(values) // 2 else None)
    return found
