"""What spans hold now, by digest: that of their files, or of their own rows where a file holds several spans."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import SPAN_FRAGMENT
from mlcore.core.window import Span
from mlcore.errors import DataError
from mlcore.ingest.divisions import Divisions
from mlcore.runtime.session import Session
from mlcore.runtime.sources.files import Found

_LOG = logging.getLogger(__name__)


def digests_of(
    session: Session, config: PipelineConfig, found: Sequence[Found], divisions: Divisions
) -> dict[Span, str]:
    """The digest of each span's content; every file is read once.

    A file of many spans that cannot be divided, for instance because a row is bad and none may be, counts by its
    bytes: whoever reads its rows tells what is wrong, and a run that reads earlier versions alone need not.

    Raises:
        DataError: A file cannot be read.
    """
    shared: dict[str, list[Found]] = {}
    for one in found:
        if SPAN_FRAGMENT in one.uri:
            shared.setdefault(one.uri.split(SPAN_FRAGMENT, 1)[0], []).append(one)
    digests: dict[Span, str] = {}
    for some in shared.values():
        digests |= _divided(session, config, some, divisions)
    return digests | {one.span: one.digest() for one in found if one.span not in digests}


def _divided(session: Session, config: PipelineConfig, found: Sequence[Found], divisions: Divisions) -> dict[Span, str]:
    path, spans = session.artifacts.path(found[0].uri), [one.span for one in found]
    try:
        division = divisions.read(config.data, path, spans, digested=True)
        return {span: division.digest(span) for span in spans}
    except DataError as error:
        _LOG.debug("%s is known by its bytes alone, for its rows cannot be read: %s", path, error)
        return {}
