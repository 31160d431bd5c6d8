"""From a request to artifacts: the run's one window, and what each input of a node is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact
from mlcore.core.window import (
    Interval,
    MonitorWindow,
    Span,
    TrainingWindow,
    iso,
    resolve_monitor_window,
    resolve_window,
)
from mlcore.errors import MetadataError, MlcoreError, NoChampion
from mlcore.registry.store import ModelVersion
from mlcore.runtime.pipeline import Baseline, Binding, FromNode, Part, Sources
from mlcore.runtime.session import Session
from mlcore.runtime.sources import source_files


def training_window(config: PipelineConfig, request: RunRequest) -> TrainingWindow:
    """The window of a retraining run: the pipeline's, with what the request overrides."""
    return resolve_window(
        request.as_of,
        grain=config.data.span,
        train=request.train or config.window.train,
        evaluation=request.eval or config.window.eval if config.data.split.by == "time" else None,
        label_delay=config.data.label.delay,
    )


def monitor_window(config: PipelineConfig, request: RunRequest) -> MonitorWindow:
    """The window of a monitoring run."""
    if config.monitor is None:
        raise MlcoreError(f"pipeline {config.name} has no monitor block")
    return resolve_monitor_window(
        request.as_of,
        grain=config.data.span,
        current=config.monitor.current,
        label_delay=config.data.label.delay,
    )


@dataclass(kw_only=True)
class Resolver:
    """Resolves one node's inputs. It reads stores; it changes nothing but the record of source files seen.

    Attributes:
        monitoring: Whether the run is of the monitoring graph.
        upstream: Execution id by name of the node that ran before.
    """

    config: PipelineConfig
    request: RunRequest
    monitoring: bool
    upstream: Mapping[str, int]
    session: Session

    def resolve(self, binding: Binding) -> tuple[Artifact, ...]:
        """The artifacts an input takes, in span order."""
        match binding:
            case Sources(part=part):
                return source_files(self.session, self.config, self.spans(part))
            case FromNode(node=node, output=output, part=part):
                return self._from_node(node, output, part)
            case Baseline(output=output, required=required):
                return self._from_baseline(output, required=required)

    def spans(self, part: Part) -> tuple[Span, ...]:
        """The spans of one part of the window, in time order, each once."""
        parts = self._parts
        wanted = parts.values() if part is Part.ALL else [parts[part]]
        return tuple(sorted({span for interval in wanted for span in interval.spans(self.config.data.span)}))

    @cached_property
    def _parts(self) -> dict[Part, Interval]:
        if not self.monitoring:
            window = training_window(self.config, self.request)
            return {Part.TRAIN: window.train, Part.EVALUATION: window.evaluation}
        seen = monitor_window(self.config, self.request)
        champion = self._required_baseline()
        reference = Interval(start=champion.train_start, end=champion.train_end)
        return {Part.REFERENCE: reference, Part.CURRENT: seen.current, Part.LABELLED: seen.labelled}

    @cached_property
    def baseline(self) -> ModelVersion | None:
        """The champion of the run's time: promoted by then, and blind to the rows it will be judged on."""
        if self.monitoring:
            judged_from = monitor_window(self.config, self.request).labelled.start
            exclude = None
        else:
            judged_from = training_window(self.config, self.request).evaluation.start
            exclude = self._challenger_digest()
        return self.session.registry.baseline(
            self.config.name, as_of=self.request.as_of, evaluation_start=judged_from, exclude_digest=exclude
        )

    def _required_baseline(self) -> ModelVersion:
        if self.baseline is None:
            raise NoChampion(
                f"pipeline {self.config.name} has no champion as of {iso(self.request.as_of)}: nothing to monitor yet",
                next_step=f"train one: mlcore run {self.config.name} --at {iso(self.request.as_of)}",
            )
        return self.baseline

    def _challenger_digest(self) -> str | None:
        if "trainer" not in self.upstream:
            return None
        models = self._from_node("trainer", "model", Part.ALL)
        return models[0].digest

    def _from_baseline(self, output: str, *, required: bool) -> tuple[Artifact, ...]:
        champion = self._required_baseline() if required else self.baseline
        if champion is None:
            return ()
        artifact_id = champion.evaluation_id if output == "evaluation" else champion.artifact_id
        return self.session.metadata.artifacts([artifact_id])

    def _from_node(self, node: str, output: str, part: Part) -> tuple[Artifact, ...]:
        try:
            artifacts = self.session.metadata.outputs(self.upstream[node])[output]
        except KeyError as error:
            raise MetadataError(
                f"there is no output {output!r} of {node} to read",
                where=f"run {self.request.run}",
                next_step="run the nodes before it first",
            ) from error
        if part is Part.ALL:
            return artifacts
        return _of_spans(artifacts, self.spans(part), node)


def _of_spans(artifacts: Sequence[Artifact], spans: Sequence[Span], node: str) -> tuple[Artifact, ...]:
    by_span = {artifact.span: artifact for artifact in artifacts}
    missing = [span.label for span in spans if span not in by_span]
    if missing:
        raise MetadataError(
            f"{node} made nothing for {len(missing)} spans of the window, the first is {missing[0]}",
            next_step="run it again: the champion, and with it the window, changed while the run was under way",
        )
    return tuple(by_span[span] for span in spans)
