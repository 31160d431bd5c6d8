"""What is said while an equal execution of another run is waited for."""

from __future__ import annotations

import logging

_LOG = logging.getLogger(__name__)


def waiting() -> None:
    """Called by the lock once its holder has been waited for a while; the node's name is in the log's context."""
    _LOG.warning("another run is making the same outputs: waiting for it, to reuse what it makes")
