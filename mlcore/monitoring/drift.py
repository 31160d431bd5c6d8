"""Which features drifted: a distance on all rows, judged by what whole days of the reference show among themselves.

Rows of one day share their weather, their weekday and their incidents. A test that takes rows as independent calls
the difference between any two weeks significant; so the days are what is exchanged here, as whole days.

The null distances of a feature are those between a block of reference days and the other reference days. Blocks are
as long as the current period: every run of consecutive days, and every union of two runs of half the length, which
keeps days that resemble their neighbours together. With consecutive runs alone one feature in thirteen would be
flagged under strongly autocorrelated days, as the runs overlap and few are independent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlcore.core.digests import canonical_json
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, quoted
from mlcore.monitoring.histograms import Counts, FeatureDays

FILE_NAME = "drift.json"

MIN_NULL_DISTANCES = 19
"""With fewer, no distance could be called unusual at 5 %: nothing is decided."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureDrift:
    """How far one feature moved, and whether that is more than its days move anyway.

    Attributes:
        feature: The column.
        distance: Jensen-Shannon distance, base 2, of the current days from the reference: 0 equal, 1 disjoint.
        null_median: Median of the null distances; ``None`` where the reference is too short.
        null_max: The largest of them.
        p_value: ``(1 + null distances at least as large) / (1 + null distances)``.
        drifted: Whether the distance is at least ``min_distance`` and larger than every null distance.
        change: What the bin holds whose share changed most.
        share_before: Its share of the reference's rows.
        share_now: Its share of the current rows.
    """

    feature: str
    distance: float
    null_median: float | None
    null_max: float | None
    p_value: float | None
    drifted: bool
    change: str
    share_before: float
    share_now: float

    def __str__(self) -> str:
        return (
            f"{self.feature}: distance {self.distance:.3f}"
            + (f", usual up to {self.null_max:.3f}" if self.null_max is not None else ", reference too short to judge")
            + f"; {self.change} went from {100 * self.share_before:.1f} % to {100 * self.share_now:.1f} %"
        )


def jensen_shannon(first: Counts, second: Counts) -> Floats:
    """Jensen-Shannon distance, base 2, along the last axis of two arrays of counts.

    The square root of the divergence (Lin, 1991), a metric between 0 and 1. A side without any count is at distance 1
    from one that has some, and at 0 from another without any.

    >>> float(jensen_shannon(np.array([1, 1]), np.array([2, 2])))
    0.0
    >>> float(jensen_shannon(np.array([3, 0]), np.array([0, 1])))
    1.0
    """
    p, q = _shares(first), _shares(second)
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    empty = (p.sum(axis=-1) == 0) != (q.sum(axis=-1) == 0)
    distance: Floats = np.where(empty, 1.0, np.sqrt(np.clip(divergence, 0.0, 1.0)))
    return distance


def null_distances(reference: Counts, days: int) -> Floats:
    """Distances of blocks of ``days`` reference days from all other reference days, in a fixed order.

    Empty where the reference has no more than ``days`` days.
    """
    if len(reference) <= days:
        return np.empty(0)
    blocks = _blocks(reference, days)
    return jensen_shannon(blocks, reference.sum(axis=0) - blocks)


def detect(features: Iterable[FeatureDays], *, min_distance: float) -> tuple[FeatureDrift, ...]:
    """Judge every feature.

    Args:
        features: Counts by day.
        min_distance: Distances below this are never drift, however unusual: they do not matter.
    """
    return tuple(_judge(feature, min_distance) for feature in features)


def write_drift(folder: Path, features: Sequence[FeatureDrift]) -> None:
    """Write ``drift.json`` into a folder that exists."""
    (folder / FILE_NAME).write_bytes(canonical_json({"features": [asdict(feature) for feature in features]}))


def read_drift(folder: Path) -> tuple[FeatureDrift, ...]:
    """Read ``drift.json``.

    Raises:
        ArtifactMissing: It is not there.
        ArtifactCorrupt: It holds something else.
    """
    path = folder / FILE_NAME
    try:
        return tuple(FeatureDrift(**item) for item in json.loads(path.read_bytes())["features"])
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open the drift of the features: {error.strerror or error}",
            where=str(path),
            next_step="run the monitor again",
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArtifactCorrupt(
            f"the drift of the features cannot be read: {quoted(str(error))}",
            where=str(path),
            next_step="run the monitor again",
        ) from error


def _judge(feature: FeatureDays, min_distance: float) -> FeatureDrift:
    before, now = feature.reference.sum(axis=0), feature.current.sum(axis=0)
    distance = float(jensen_shannon(now, before))
    null = null_distances(feature.reference, len(feature.current))
    judged = len(null) >= MIN_NULL_DISTANCES
    share_before, share_now = _shares(before), _shares(now)
    change = int(np.argmax(np.abs(share_now - share_before)))
    return FeatureDrift(
        feature=feature.feature,
        distance=distance,
        null_median=float(np.median(null)) if judged else None,
        null_max=float(null.max()) if judged else None,
        p_value=float((1 + np.count_nonzero(null >= distance)) / (1 + len(null))) if judged else None,
        drifted=bool(judged and distance >= min_distance and distance > null.max()),
        change=feature.bins[change],
        share_before=float(share_before[change]),
        share_now=float(share_now[change]),
    )


def _blocks(days: Counts, length: int) -> Counts:
    """Summed counts of every run of ``length`` days, then of every union of two runs of half of it."""
    whole = _runs(days, length)
    short = length // 2
    if not short:
        return whole
    first, second = _runs(days, short), _runs(days, length - short)
    start, other = np.meshgrid(np.arange(len(first)), np.arange(len(second)), indexing="ij")
    apart = (other > start + short) | (start > other + length - short)  # touching runs are among the whole ones
    return np.concatenate([whole, first[start[apart]] + second[other[apart]]])


def _runs(days: Counts, length: int) -> Counts:
    running = np.concatenate([np.zeros((1, days.shape[1]), dtype=days.dtype), np.cumsum(days, axis=0)])
    runs: Counts = running[length:] - running[:-length]
    return runs


def _shares(counts: Counts) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    shares: Floats = counts / np.where(total == 0, 1, total)
    return shares


def _relative_entropy(p: Floats, q: Floats) -> Floats:
    terms = np.zeros_like(p)
    np.divide(p, q, out=terms, where=p > 0)
    np.log2(terms, out=terms, where=p > 0)
    entropy: Floats = (p * terms).sum(axis=-1)
    return entropy
