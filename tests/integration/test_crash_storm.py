"""The crash test, briefly; ``make test-crash`` is the long one."""

from __future__ import annotations

import pytest
from support.crash.whole import crash


@pytest.mark.long
def test_whatever_is_killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_is_left() -> None:
    """Runs, tasks, moves, collections, servers and PostgreSQL's processes, killed with -9 while they are at it.

    Afterwards: one serial history an alias, every LIVE artifact whole, all that was acknowledged there, nothing said
    to run, nothing orphaned in the store or among temporary folders, and the digests of an undisturbed installation.
    """
    storm = crash(kills=6, seed=5, days=12, reruns=1, donated=1, between_servers_seconds=12, wait_for_disk=False)
    assert storm.problems == []
    assert storm.killed >= 6
    assert storm.acknowledged
