"""Intervals of metrics whose influence nobody knows, by weighting the rows otherwise.

Each replicate of the Poisson bootstrap counts every row as often as a Poisson variable of mean 1 says (Hanley and
MacGibbon, 2006; Chamandy et al., 2012). The variable is drawn by a hash of the row's key and the number of the
replicate, so that it is the same whatever the order and the partition of the rows. Where rows are clustered, clusters
are drawn; few clusters cannot be drawn from, and are left out one at a time instead (the jackknife of Tukey, 1958).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from mlcore.accumulators.hashing import Hashes, of_numbers
from mlcore.evaluation.intervals import MIN_CLUSTERS, Spread
from mlcore.evaluation.sample import Codes, Floats

REPLICATES = 200
FEW_CLUSTERS = 40
"""Fewer are left out one at a time."""

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
    values: Callable[[Floats], float], keys: Hashes, clusters: Codes | None, cluster_keys: Hashes | None
) -> Spread | None:
    """The spread of an estimate.

    Args:
        values: The estimate with each row counted so often; NaN where it has none.
        keys: A hash of each row's key.
        clusters: Of each row; fewer than two different ones are as good as none.
        cluster_keys: A hash of each cluster's key.

    Returns:
        ``None`` where most replicates have no value.
    """
    present = None if clusters is None else np.flatnonzero(np.bincount(clusters))
    if clusters is None or cluster_keys is None or present is None or len(present) < MIN_CLUSTERS:
        return _bootstrap(values(counts.astype(np.float64)) for counts in poisson_counts(keys))
    if len(present) >= FEW_CLUSTERS:
        drawn = poisson_counts(cluster_keys)
        found = _bootstrap(values(counts[clusters].astype(np.float64)) for counts in drawn)
        return found and Spread(error=found.error, clusters=len(present))
    left_out = np.array([values((clusters != one).astype(np.float64)) for one in present])
    if np.isnan(left_out).any():
        return None
    squares = float(((left_out - left_out.mean()) ** 2).sum())
    degrees = len(present) - 1.0
    return Spread(error=math.sqrt(squares * degrees / len(present)), clusters=len(present), degrees=degrees)


def _bootstrap(replicates: Iterator[float]) -> Spread | None:
    values = np.array(list(replicates))
    known = values[~np.isnan(values)]
    return Spread(error=float(known.std(ddof=1))) if len(known) > len(values) // 2 else None
