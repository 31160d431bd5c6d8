"""What a tracking server should hold, whatever it is that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from mlcore.core.types import Json


class RunStatus(StrEnum):
    """In MLflow's words."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, order=True, slots=True)
class TrackedMetric:
    """One number of a run.

    Attributes:
        timestamp: In milliseconds since 1970.
    """

    key: str
    step: int
    value: float
    timestamp: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedDataset:
    """Rows that a model was trained or evaluated on.

    Attributes:
        digest: At most 36 characters.
        context: ``training`` or ``evaluation``.
    """

    name: str
    digest: str
    context: str
    source: Mapping[str, Json]
    profile: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedRun:
    """One run of a pipeline, or one of the candidates that it trained.

    Attributes:
        key: Names it among all runs of its pipeline: ``<run>``, or ``<run>/<node>`` of a candidate.
        parent: Key of the run that a candidate belongs to.
        state: Digest of all that the rest follows from. Where a server holds it, there is nothing to write.
        whole: Whether all files that the rest is made from are there; if not, the server may hold more than this.
        folders: Folder by the place its files have on the server.
    """

    key: str
    name: str
    state: str
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None
    parent: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[TrackedMetric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[TrackedDataset, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)
    whole: bool = True


def milliseconds(moment: datetime) -> int:
    """Since 1970.

    >>> from datetime import UTC
    >>> milliseconds(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))
    1000
    """
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
