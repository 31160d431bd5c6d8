"""The stored statistics of any stretch of a pipeline's spans: merged, nothing is read again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType
from mlcore.core.window import Interval, Span, iso, span_at
from mlcore.errors import SpanMissing, WindowError
from mlcore.runtime.resolve import training_window
from mlcore.runtime.session import Session

if TYPE_CHECKING:
    from mlcore.statistics.accumulate import DatasetAccumulator

_MOST = 1_000_000


def trained_interval(config: PipelineConfig, as_of: datetime) -> Interval:
    """What a retraining run as of a moment trains on."""
    return training_window(config, RunRequest(pipeline=config.name, run="", as_of=as_of)).train


def interval_statistics(
    session: Session, config: PipelineConfig, interval: Interval, *, slices: bool = False
) -> DatasetAccumulator:
    """The newest statistics of every span, merged in time order.

    Args:
        session: The stores.
        config: The pipeline.
        interval: Whole spans of the pipeline's grain.
        slices: Whether to merge those, too.

    Raises:
        WindowError: The interval starts or ends within a span.
        SpanMissing: No run made the statistics of some span.
    """
    from mlcore.statistics.files import read_merged

    folders: list[Path] = []
    for artifact in _newest(session, config, _whole_spans(config, interval)):
        session.artifacts.verify(artifact)
        folders += _folders(session.artifacts.path(artifact.uri))
    return read_merged(folders, slices=slices)


def _folders(path: Path) -> list[Path]:
    """Where an artifact's statistics lie: in itself, or in a folder a split."""
    from mlcore.statistics.files import FILE_NAME

    if (path / FILE_NAME).exists():
        return [path]
    splits = [folder for folder in path.iterdir() if (folder / FILE_NAME).exists()]
    return sorted(splits, key=lambda folder: folder.name) or [path]


def _whole_spans(config: PipelineConfig, interval: Interval) -> tuple[Span, ...]:
    grain = config.data.span
    spans = tuple(interval.spans(grain))
    if spans[-1].end != interval.end or spans[0] != span_at(interval.start, grain):
        raise WindowError(
            f"{interval} does not start and end with spans of {config.name}",
            next_step="give the start of the first span and the end of the last one",
        )
    return spans


def _newest(session: Session, config: PipelineConfig, spans: tuple[Span, ...]) -> list[Artifact]:
    """Of every span the statistics that were made last."""
    found: dict[Span, Artifact] = {}
    for artifact in session.metadata.find_artifacts(type=ArtifactType.STATISTICS, pipeline=config.name, limit=_MOST):
        if artifact.span is not None:
            found.setdefault(artifact.span, artifact)
    missing = [span.label for span in spans if span not in found]
    if missing:
        raise SpanMissing(
            f"{len(missing)} of {len(spans)} spans have no statistics yet, the first is {missing[0]}",
            where=config.name,
            next_step=f"make them with a run that needs them: mlcore run {config.name} --at {iso(spans[-1].end)}",
        )
    return [found[span] for span in spans]
