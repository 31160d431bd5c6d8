"""Which version of a span a moment knew: rule 2, for data that is corrected after it was used. See ADR 0003."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One content that a span had.

    Attributes:
        id: Of its record.
        first_seen: When the platform first recorded it.
        delivered: When the source says that it came to be; the platform sees it later, when a run looks.
    """

    id: int
    first_seen: datetime
    delivered: datetime


def known_version(versions: Sequence[Version], settled: Mapping[int, Collection[datetime]], as_of: datetime) -> Version:
    """The version that a run as of a moment reads.

    1. A moment keeps its version once a run of it has made a model or a drift report.
    2. So do all moments before it: what was known later was not known earlier, less was.
    3. A moment at which the platform knew the span already does not see what was delivered after it.
    4. Otherwise the newest.

    Args:
        versions: All of one span, oldest first.
        settled: By version, the moments of the runs that made something of it.
        as_of: The moment.
    """
    for version in versions:
        if as_of in settled.get(version.id, ()):
            return version
    chosen = versions[0]
    for before, version in pairwise(versions):
        if any(as_of <= used for used in settled.get(before.id, ())):
            return chosen
        if as_of < versions[0].first_seen or version.delivered <= as_of:
            chosen = version
    return chosen
