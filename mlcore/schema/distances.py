"""How far two distributions are from each other, as TensorFlow Data Validation computes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlcore.schema.summary import Bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The greatest difference of one value's share, and the value."""

    distance: float
    value: str


def infinity_norm(first: Mapping[str, int], second: Mapping[str, int]) -> Difference:
    """L-infinity distance of two distributions over values: the greatest difference of one value's share.

    An empty distribution has the share 0 for every value; two of them are the same.

    >>> infinity_norm({"a": 1, "b": 3}, {"a": 1, "b": 1})
    Difference(distance=0.25, value='b')
    """
    return _greatest(first, sum(first.values()), second, sum(second.values()))


def normalized_difference(first: Mapping[str, int], second: Mapping[str, int]) -> Difference:
    """Greatest difference of one value's count, relative to all rows of both datasets.

    >>> normalized_difference({"a": 3}, {"a": 1})
    Difference(distance=0.5, value='a')
    """
    both = sum(first.values()) + sum(second.values())
    return _greatest(first, both, second, both)


def _greatest(first: Mapping[str, int], whole: int, second: Mapping[str, int], other_whole: int) -> Difference:
    best = Difference(distance=0.0, value="")
    for value in sorted(first.keys() | second.keys()):
        distance = abs(_share(first.get(value, 0), whole) - _share(second.get(value, 0), other_whole))
        if distance >= best.distance:
            best = Difference(distance=distance, value=value)
    return best


def _share(count: int, whole: int) -> float:
    return count / whole if whole else 0.0


def divergence_of_values(first: Mapping[str, int], second: Mapping[str, int]) -> float | None:
    """Jensen-Shannon divergence, base 2, of two distributions over values; ``None`` where one is empty."""
    values = sorted(first.keys() | second.keys())
    return _divergence([first.get(value, 0) for value in values], [second.get(value, 0) for value in values])


def divergence_of_histograms(
    first: Sequence[Bucket],
    second: Sequence[Bucket],
    *,
    nan: tuple[int, int] = (0, 0),
    infinite: tuple[int, int] = (0, 0),
) -> float | None:
    """Approximate Jensen-Shannon divergence, base 2, of two histograms; ``None`` where one is empty.

    Both are cut at the bounds of either, rows spread evenly within a bucket. Buckets without a width are compared by
    their number. As in TensorFlow Data Validation, NaN and infinity never match: they are mass that only one side has.
    """
    bounds = sorted({bound for bucket in (*_wide(first), *_wide(second)) for bound in (bucket.low, bucket.high)})
    points = sorted({bucket.low for bucket in (*first, *second) if bucket.low == bucket.high})
    apart = [*infinite, *nan]
    left: list[float] = [*_cut(first, bounds), *_points(first, points)]
    right: list[float] = [*_cut(second, bounds), *_points(second, points)]
    for index, count in enumerate(apart):
        left.append(count if index % 2 == 0 else 0)
        right.append(0 if index % 2 == 0 else count)
    return _divergence(left, right)


def _wide(buckets: Iterable[Bucket]) -> list[Bucket]:
    return [bucket for bucket in buckets if bucket.low < bucket.high]


def _cut(buckets: Sequence[Bucket], bounds: Sequence[float]) -> list[float]:
    """The rows between each two neighbouring bounds."""
    wide, cut, index = _wide(buckets), [], 0
    for low, high in pairwise(bounds):
        while index < len(wide) and wide[index].high <= low:
            index += 1
        inside = index < len(wide) and wide[index].low <= low
        # Halves, because the distance of two floats may be more than a float holds.
        width = (wide[index].high / 2 - wide[index].low / 2) if inside else 0.0
        cut.append(wide[index].count * ((high / 2 - low / 2) / width) if inside and width else 0.0)
    return cut


def _points(buckets: Sequence[Bucket], points: Sequence[float]) -> list[float]:
    mass: dict[float, float] = dict.fromkeys(points, 0.0)
    for bucket in buckets:
        if bucket.low == bucket.high:
            mass[bucket.low] += bucket.count
    return list(mass.values())


def _divergence(first: Sequence[float], second: Sequence[float]) -> float | None:
    whole, other_whole = sum(first), sum(second)
    if not whole or not other_whole:
        return None
    total = 0.0
    for count, other in zip(first, second, strict=True):
        share, other_share = count / whole, other / other_whole
        middle = (share + other_share) / 2
        total += share * math.log2(share / middle) if share else 0.0
        total += other_share * math.log2(other_share / middle) if other_share else 0.0
    return min(max(total / 2, 0.0), 1.0)
