"""The stored statistics of any stretch of a pipeline's spans: merged, nothing is read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.artifacts.blocks import Blocks
from mlcore.components.base import Inputs, Payload, split_folders
from mlcore.components.example_gen import ExampleGen
from mlcore.components.history_gen import HistoryGen
from mlcore.components.merging import CODE, merged_statistics
from mlcore.components.statistics_gen import StatisticsGen
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType, SplitName
from mlcore.core.window import Interval, Span, iso, span_at
from mlcore.errors import ConfigError, SpanMissing, WindowError
from mlcore.metadata.sources import made_of
from mlcore.runtime.fingerprint import code_digest
from mlcore.runtime.resolve import needed
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import recorded_spans
from mlcore.runtime.windows import training_window

if TYPE_CHECKING:
    from mlcore.statistics.accumulate import DatasetAccumulator


def trained_interval(config: PipelineConfig, as_of: datetime) -> Interval:
    """What a retraining run as of a moment trains on."""
    return training_window(config, RunRequest(pipeline=config.name, run="", as_of=as_of)).train


@dataclass(frozen=True, kw_only=True, slots=True)
class IntervalStatistics:
    """What runs stored of an interval.

    Attributes:
        dataset: The accumulators of all its spans, merged.
        bad_rows: Rows in quarantine by reason, which are not among the dataset's.
        without: Names of the spans that are not there, where the pipeline's ``window.min_spans`` allows that.
    """

    dataset: DatasetAccumulator
    bad_rows: Mapping[str, int]
    without: tuple[str, ...] = ()


def interval_statistics(
    session: Session,
    config: PipelineConfig,
    interval: Interval,
    *,
    as_of: datetime,
    slices: bool = False,
    split: SplitName | None = None,
) -> IntervalStatistics:
    """The statistics of every span, in the version that a moment knows, merged in time order.

    Args:
        session: The stores.
        config: The pipeline.
        interval: Whole spans of the pipeline's grain.
        as_of: The moment: no version that was delivered later is looked at.
        slices: Whether to merge those, too.
        split: Only of these rows, where the pipeline splits the rows of a span; by default of all.

    Raises:
        WindowError: The interval starts or ends within a span, or after the moment.
        SpanMissing: No run made the statistics of some span, and the pipeline does not do without so many.
        ConfigError: A split is asked for where time splits rows.
    """
    from mlcore.statistics.files import read_merged
    from mlcore.statistics.quarantine import merge_bad_rows, read_bad_rows

    if interval.end > as_of:
        raise WindowError(
            f"{interval} ends after {iso(as_of)}, the moment whose knowledge was asked for",
            next_step="give an earlier interval, or a later --as-of",
        )
    if split is not None and split_folders(config.data.split) == (".",):
        raise ConfigError(
            f"the rows of {config.name} are split by time, not within spans",
            next_step="name the spans of the part you mean, and no split",
        )
    spans = _whole_spans(config, interval)
    found = _known(session, config, spans, as_of)
    payloads = []
    for artifact in found.values():
        session.artifacts.verify(artifact)
        folders = _folders(session.artifacts.path(artifact.uri), split)
        payloads += [Payload(artifact=artifact, path=folder) for folder in folders]
    return IntervalStatistics(
        dataset=read_merged([one.path for one in payloads]) if slices else _merged(session, config, payloads),
        bad_rows=merge_bad_rows(read_bad_rows(session.artifacts.path(artifact.uri)) for artifact in found.values()),
        without=tuple(span.label for span in spans if span not in found),
    )


def _merged(session: Session, config: PipelineConfig, payloads: Sequence[Payload]) -> DatasetAccumulator:
    """Without slices, from spans that were merged before where there are such."""
    blocks = Blocks(store=session.artifacts, pipeline=config.name, code=code_digest(CODE))
    return merged_statistics(Inputs({"statistics": payloads}, blocks), "statistics", config.data.span)


def _folders(path: Path, split: SplitName | None) -> list[Path]:
    """Where an artifact's statistics lie: in itself, or in a folder a split."""
    from mlcore.statistics.files import FILE_NAME

    if split is not None:
        return [path / split]
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


def _known(session: Session, config: PipelineConfig, spans: Sequence[Span], as_of: datetime) -> dict[Span, Artifact]:
    """Of every span the statistics of the version that the moment knows: as now configured, else the newest."""
    versions = recorded_spans(session, config, spans, as_of)
    with session.metadata.begun() as connection:
        sources = [version.digest for version in versions.values()]
        examples = made_of(
            connection,
            config.name,
            sources,
            source=ArtifactType.SOURCE_FILE,
            type=ArtifactType.EXAMPLES,
            preferred=ExampleGen(config).parameters,
        )
        if config.data.history:
            enriched = made_of(
                connection,
                config.name,
                [artifact.digest for artifact in examples.values()],
                source=ArtifactType.EXAMPLES,
                type=ArtifactType.EXAMPLES,
                preferred=HistoryGen(config).parameters,
            )
            examples = {
                (span, digest): enriched[span, artifact.digest]
                for (span, digest), artifact in examples.items()
                if (span, artifact.digest) in enriched
            }
        contents = [artifact.digest for artifact in examples.values()]
        statistics = made_of(
            connection,
            config.name,
            contents,
            source=ArtifactType.EXAMPLES,
            type=ArtifactType.STATISTICS,
            preferred=StatisticsGen(config).parameters,
        )
    found = {}
    for span, version in versions.items():
        rows = examples.get((span, version.digest))
        if rows is not None and (span, rows.digest) in statistics:
            found[span] = statistics[span, rows.digest]
    missing = [span for span in spans if span not in found]
    if missing and len(found) < needed(config.window.min_spans.train, len(spans)):
        raise _missing(config, spans, missing, versions)
    return {span: found[span] for span in spans if span in found}


def _missing(
    config: PipelineConfig, spans: Sequence[Span], missing: Sequence[Span], versions: Mapping[Span, Artifact]
) -> SpanMissing:
    first = missing[0]
    seen = f", whose version was first seen at {iso(versions[first].created_at)}" if first in versions else ""
    return SpanMissing(
        f"{len(missing)} of {len(spans)} spans have no statistics yet, the first is {first.label}{seen}",
        where=config.name,
        next_step=f"make them with a run that needs them: mlcore run {config.name} --at {iso(spans[-1].end)}",
    )
