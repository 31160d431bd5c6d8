"""Every error the library raises on purpose, as one tree.

MlcoreError
├── ConfigError              a pipeline file or a setting is wrong
├── WindowError              a run has no window, or an impossible one
├── DataError                source data is missing or cannot be read
│   ├── SpanMissing          a span of the window has no data, or not all of it yet
│   │   └── SpansAwaited     it is late, and the pipeline waits for it (data.complete.wait)
│   ├── VersionGone          the version of a span that a run must read was overwritten at its source
│   └── MalformedData        data is there and cannot be parsed
├── AnomaliesFound           anomalies of severity ERROR stop the run
├── ArtifactError            an output's files are missing, changed or cannot be written
│   ├── ArtifactMissing
│   └── ArtifactCorrupt
├── MetadataError            the metadata store refused or is in an unexpected state
│   └── MetadataUnavailable  the database cannot be reached
├── ModelError               a model cannot be built, saved, loaded or used
│   └── UntrustedModel       a model file holds types that are not on the allow-list
├── BlessingMissing          a push was asked for without a verdict
├── NoChampion               there is no model that the request could be about
├── ComponentFailed          user or library code inside a component raised
├── EngineError              a Beam runner, its jars or its cluster cannot be had, or its job failed
├── AlertError               an alert could not be delivered
├── DestinationError         a place that follows the registry cannot be reached, or shows something else
├── TrackingError            a mirror of runs and models cannot be read or written
├── RequestRefused           a request to a served model is not one that it can answer
│   └── Overloaded           too many requests wait already
└── PlatformError            the local platform cannot start, stop or be reached
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from mlcore.masking import hidden, masked

QUOTE_LIMIT = 120
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSALS = (*DISK_FULL, errno.EROFS, errno.EACCES, errno.EPERM)
UNWRITABLE_NEXT = (
    "see that the folder named by MLCORE_ARTIFACTS may be written and has room (mlcore gc shows what can go),"
    " then run again: nothing was published"
)


def quoted(value: object, limit: int = QUOTE_LIMIT) -> str:
    """The ``repr`` of a value from outside, cut to ``limit`` characters so that no message is unbounded.

    >>> quoted("x" * 10, limit=8)
    "'xxxxx..."
    """
    text = repr(value)
    return text if len(text) <= limit else text[: max(limit - 2, 0)] + "..."


class MlcoreError(Exception):
    """What happened, where, and what to do next; :func:`mlcore.masking.masked`.

    Args:
        what: One sentence that says what is wrong.
        where: The file, key, span, component or address it concerns.
        next_step: What the reader can do about it.

    Attributes:
        exit_code: With which a command ends that raises it: 2 where a file was refused for what is in it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(masked(what))
        self.what = masked(what)
        self.where = masked(where)
        self.next_step = hidden(next_step)  # which may show how an address is written

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"where: {self.where}")
        if self.next_step:
            parts.append(f"next: {self.next_step}")
        return "\n  ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.next_step)


def _rebuild(cls: type[MlcoreError], what: str, where: str, next_step: str) -> MlcoreError:
    return cls(what, where=where, next_step=next_step)


class ConfigError(MlcoreError):
    """A pipeline file or a setting is wrong."""


class WindowError(MlcoreError):
    """A run has no window, or an impossible one."""


class DataError(MlcoreError):
    """Source data is missing or cannot be read."""


class SpanMissing(DataError):
    """A span of the window has no data, or not all of it yet: it may be there later."""


class SpansAwaited(SpanMissing):
    """Spans are late and the pipeline waits for them: the node is to be launched again, until ``until`` (UTC)."""

    def __init__(self, what: str, *, until: datetime, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.until = until

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_awaited, (self.what, self.until, self.where, self.next_step)


def _rebuild_awaited(what: str, until: datetime, where: str, next_step: str) -> SpansAwaited:
    return SpansAwaited(what, until=until, where=where, next_step=next_step)


class VersionGone(DataError):
    """The version of a span that a run must read is neither at its source nor in the artifact store."""


class MalformedData(DataError):
    """Data is there and cannot be parsed."""


class AnomaliesFound(MlcoreError):
    """Anomalies of severity ERROR stop the run before training."""


class ArtifactError(MlcoreError):
    """An output's files cannot be read or written."""


class ArtifactMissing(ArtifactError):
    """An artifact is recorded, its files are gone."""


class ArtifactCorrupt(ArtifactError):
    """An artifact's files are not the ones that were published."""

    exit_code = 2


def storage_refused(error: OSError, where: object) -> ArtifactError:
    """A write into the artifact store that the system refused, in words."""
    full = error.errno in DISK_FULL
    return ArtifactError(
        "the disk is full" if full else f"the artifact store cannot be written: {error.strerror or error}",
        where=str(where),
        next_step=UNWRITABLE_NEXT,
    )


def system_refused(error: OSError, where: object = "") -> ComponentFailed:
    """A full disk, or a file that may not be opened, anywhere but in the artifact store, in words.

    Args:
        error: One of the kinds of ``REFUSALS``.
        where: What was written, where the error itself does not tell.
    """
    full = error.errno in DISK_FULL
    return ComponentFailed(
        "the disk is full" if full else f"the system refused a file: {error.strerror or error}",
        where=str(error.filename or where),
        next_step="see that there is room and that this user may write there (MLCORE_HOME says where mlcore writes,"
        " TMPDIR where temporary files lie), then run again: nothing was published",
    )


class MetadataError(MlcoreError):
    """The metadata store refused, or is in an unexpected state."""


class MetadataUnavailable(MetadataError):
    """The metadata database cannot be reached."""


class ModelError(MlcoreError):
    """A model cannot be built, saved, loaded or used."""


class UntrustedModel(ModelError):
    """A model file holds types that are not on the allow-list."""

    exit_code = 2


class BlessingMissing(MlcoreError):
    """A push was asked for without a gate's verdict."""


class NoChampion(MlcoreError):
    """No model was promoted yet that the request could be about."""


class ComponentFailed(MlcoreError):
    """Code inside a component raised something that is not an ``MlcoreError``."""


class EngineError(MlcoreError):
    """A Beam runner, its jars or its cluster cannot be had, or its job failed."""


class AlertError(MlcoreError):
    """An alert could not be delivered."""


class DestinationError(MlcoreError):
    """A place that follows the registry's aliases cannot be reached, read or written, or shows something else."""


class TrackingError(MlcoreError):
    """A mirror of runs and models, such as MLflow, cannot be reached, read or written."""


class RequestRefused(MlcoreError):
    """A request to a served model is not one that it can answer.

    Args:
        problems: What is wrong with which field of which row, as JSON objects.
    """

    def __init__(
        self, what: str, *, where: str = "", next_step: str = "", problems: Sequence[Mapping[str, object]] = ()
    ) -> None:
        super().__init__(what, where=where, next_step=next_step)
        self.problems = tuple(problems)


class Overloaded(RequestRefused):
    """Too many requests wait already."""


class PlatformError(MlcoreError):
    """The local platform cannot start, stop or be reached."""
