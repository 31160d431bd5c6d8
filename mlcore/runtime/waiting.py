"""Waiting: for an equal execution of another run, and for spans that are late."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from mlcore.core.window import iso
from mlcore.errors import SpansAwaited

_LOG = logging.getLogger(__name__)
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(minutes=5)
_LOOKS = 60
_TOLD_AGAIN = timedelta(minutes=30)
_T = TypeVar("_T")


def waiting() -> None:
    """Called by the lock once its holder has been waited for a while; the node's name is in the log's context."""
    _LOG.warning("another run is making the same outputs: waiting for it, to reuse what it makes")


def next_look(until: datetime, now: datetime, wait: timedelta | None) -> datetime:
    """When to look again for spans that are late: about sixty times in all, every second to every five minutes.

    >>> until, now = datetime(2024, 1, 1, 12, tzinfo=UTC), datetime(2024, 1, 1, 9, tzinfo=UTC)
    >>> iso(next_look(until, now, timedelta(hours=1)))
    '2024-01-01T09:01:00Z'
    """
    pause = min(max((wait or _LONGEST) / _LOOKS, _SHORTEST), _LONGEST)
    return min(now + pause, max(until, now + _SHORTEST))


def until_there(
    launch: Callable[[], _T],
    *,
    wait: timedelta | None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> _T:
    """Launch again and again while spans are awaited, and say which.

    Raises:
        MlcoreError: What the launch raises but that spans are late: among them, in the end, that they are missing.
    """
    told: tuple[str, datetime] | None = None
    while True:
        try:
            return launch()
        except SpansAwaited as late:
            moment = now()
            if told is None or told[0] != late.what or moment >= told[1] + _TOLD_AGAIN:
                _LOG.warning("waiting until %s: %s (looked at %s)", iso(late.until), late.what, late.where)
                told = (late.what, moment)
            sleep((next_look(late.until, moment, wait) - moment).total_seconds())
