"""What was made is published, though the database is away for a moment: hours of work may wait for that."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlcore.core.types import Artifact, ExecutionState
from mlcore.errors import MetadataError, MetadataUnavailable
from mlcore.metadata.store import Publication
from mlcore.runtime.session import Session

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOG = logging.getLogger(__name__)
PATIENCE_SECONDS = 90.0
"""For so long a database that is away is waited for, counted from when it was first missed."""
_PAUSE_SECONDS = 1.0


def publish(
    session: Session, results: Sequence[Publication], on_commit: Callable[[Connection], None] | None = None
) -> Sequence[Mapping[str, tuple[Artifact, ...]]]:
    """:meth:`MetadataStore.publish`, again and again while the database does not answer.

    Where the answer to a transaction was lost, the states of its executions say whether it was done.

    Raises:
        MetadataUnavailable: It was away for longer than ``PATIENCE_SECONDS``.
        MetadataError: As from there.
    """
    missed: float | None = None
    while True:
        try:
            return session.metadata.publish(results, on_commit=on_commit)
        except MetadataUnavailable as error:
            if missed is None:
                missed = time.monotonic()
                _LOG.warning(
                    "what was made is published when the database answers, if that is within %d seconds: %s",
                    PATIENCE_SECONDS,
                    error.what,
                )
            if time.monotonic() - missed > PATIENCE_SECONDS:
                raise
            time.sleep(_PAUSE_SECONDS)
        except MetadataError:
            if missed is None or not _done(session, results):
                raise
            return [session.metadata.outputs(one.execution_id) for one in results]


def _done(session: Session, results: Sequence[Publication]) -> bool:
    """Whether they were published, all in one transaction, by a message whose answer was lost."""
    return all(session.metadata.execution(one.execution_id).state is ExecutionState.COMPLETE for one in results)
