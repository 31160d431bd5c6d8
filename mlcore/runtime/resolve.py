"""From a request to artifacts: the run's one window, and what each input of a node is in it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from mlcore.components.challenger_evaluator import Trial
from mlcore.config.data import TimeSplit
from mlcore.config.evaluation import ChampionCriterion
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import digest_json
from mlcore.core.past import with_past
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType, GraphKind, SplitName
from mlcore.core.window import (
    Interval,
    Span,
    iso,
    newest_mature_end,
    parse_moment,
)
from mlcore.errors import MetadataError, NoChampion, SpansAwaited, quoted
from mlcore.ingest.divisions import Divisions
from mlcore.ingest.paths import span_missing
from mlcore.metadata.predictions import standing
from mlcore.registry.challenge import Challenge
from mlcore.registry.moments import champion_at
from mlcore.registry.records import ModelVersion
from mlcore.runtime.graphs.graph import (
    Approval,
    Baseline,
    Binding,
    Contender,
    FromNode,
    Part,
    Predicted,
    Predictor,
    PreviousVersions,
    Sources,
)
from mlcore.runtime.graphs.retraining import MODEL_SELECTOR, TRAINER
from mlcore.runtime.release.provenance import equals_of
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import CHECKED, is_complete, source_spans
from mlcore.runtime.sources.previous import previous_statistics
from mlcore.runtime.trial import asked_beside, trial_of
from mlcore.runtime.windows import awaited_until, inference_window, monitor_window, training_window, tuning_intervals

_MOST = 1_000_000
_OF_A_CHALLENGE = (Part.TRIAL, Part.BESIDE)
_LOG = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Resolver:
    """Resolves one node's inputs. It reads stores; it changes nothing but the record of source files seen.

    Attributes:
        kind: What the run's graph is for, on which its window depends.
        upstream: Execution id by name of the node that ran before.
        candidate: Of several models of the pipeline, the one that the node works for.
        now: The clock, by which alone it is told whether late spans are still waited for.
        divisions: Takes what is read of files of many spans to tell their versions; whoever gave it closes it.
    """

    config: PipelineConfig
    request: RunRequest
    kind: GraphKind
    upstream: Mapping[str, int]
    session: Session
    candidate: str | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    divisions: Divisions = field(default_factory=Divisions)
    _without: set[Span] = field(default_factory=set)

    @property
    def project(self) -> Path:
        """Where relative paths start."""
        return self.session.project

    @property
    def variables(self) -> Mapping[str, str]:
        """What ``${NAME}`` in addresses stands for."""
        return self.session.variables

    def resolve(self, binding: Binding) -> tuple[Artifact, ...]:
        """The artifacts an input takes, in span order."""
        match binding:
            case Sources(part=part, serving=True):
                return self._from_serving_log(part)
            case Sources(part=part):
                return self._from_sources(part)
            case FromNode(node=node, output=output, part=part, optional=True):
                return self._as_far_as_there(node, output, part)
            case FromNode(node=node, output=output, part=part):
                return self._from_node(node, output, part)
            case PreviousVersions(node=node, part=part):
                return self._previous_versions(node, part)
            case Baseline():
                return self._from_champion(binding)
            case Predicted(part=part, by=by):
                return self._predicted(part, by)
            case Contender(champion=champion):
                return self._contender(champion=champion)
            case Approval():
                return self._said()

    def split(self, binding: Binding) -> SplitName | None:
        """Which of its artifacts' rows an input takes; ``None`` for all there are."""
        by_time = isinstance(self.config.data.split, TimeSplit)
        if by_time or not isinstance(binding, Sources | FromNode | PreviousVersions):
            return None
        return binding.part.rows

    @property
    def without(self) -> tuple[str, ...]:
        """The spans that are not among what was resolved, and that the run does without."""
        return tuple(span.label for span in sorted(self._without))

    def require_complete(self, examples: Sequence[Artifact]) -> None:
        """Check, once they were read, that enough spans are complete.

        Raises:
            SpanMissing: Too few are.
        """
        window = set(self.spans(Part.ALL))
        absent = {one.span: one.uri for one in examples if one.span in window and not is_complete(self.config, one)}
        self._do_without(absent, "are not complete (data.complete)")

    def _from_sources(self, part: Part) -> tuple[Artifact, ...]:
        found = source_spans(self.session, self.config, self.spans(part), self.request.as_of, self.divisions)
        window = set(self.spans(Part.ALL))
        absent = [one for one in found.absent if one.span in window]
        self._do_without({one.span: one.place for one in absent}, absent[0].reason if absent else "")
        if len(found.absent) > len(absent):
            _LOG.info("%d spans to look back on are not there", len(found.absent) - len(absent))
        return found.artifacts

    def _from_serving_log(self, part: Part) -> tuple[Artifact, ...]:
        serving = self.config.serving
        if serving is None:
            raise MetadataError(f"pipeline {self.config.name} has no data.serving", next_step="run it from the start")
        found = source_spans(self.session, serving, self.spans(part), self.request.as_of, self.divisions)
        if found.absent:
            _LOG.warning(
                "the serving log has nothing for %d of %d spans, the first is %s: %s",
                len(found.absent), len(self.spans(part)), found.absent[0].span.label, found.absent[0].place,
            )  # fmt: skip
        return found.artifacts

    def _as_far_as_there(self, node: str, output: str, part: Part) -> tuple[Artifact, ...]:
        wanted = set(self.spans(part))
        outputs = self.session.metadata.outputs(self.upstream[node])
        return tuple(
            artifact
            for artifact in outputs.get(output, ())
            if artifact.span in wanted and (artifact.type not in CHECKED or is_complete(self.config, artifact))
        )

    def _previous_versions(self, node: str, part: Part) -> tuple[Artifact, ...]:
        wanted = set(self.spans(part))
        read = self.session.metadata.inputs(self.upstream[node]).get("source", ())
        return previous_statistics(self.session, self.config, [one for one in read if one.span in wanted])

    def _do_without(self, absent: Mapping[Span, str], reason: str) -> None:
        if not absent:
            return
        gone = self._without | set(absent)
        asked = len(self.spans(Part.ALL))
        enough = self._enough_without(gone)
        self._wait(absent, reason, enough=enough)
        if not enough:
            raise span_missing(sorted(absent.items()), asked=asked, what=reason)
        self._without = gone
        _LOG.warning("going on without %d spans: %s", len(gone), ", ".join(self.without[:20]))

    def _enough_without(self, gone: Collection[Span]) -> bool:
        """Whether each part of the window has as many spans as it must have."""
        for part in self._parts:
            spans = self.spans(part)
            there = [span for span in spans if span not in gone]
            if part in _OF_A_CHALLENGE:
                continue  # a challenger is compared on what there is; nobody waits for it
            if part is Part.TUNING and there:
                continue  # hyperparameters are searched on what there is of an earlier window
            if len(there) < len(spans) and len(there) < needed(self._share(part), len(spans)):
                return False
        return True

    def _wait(self, absent: Mapping[Span, str], reason: str, *, enough: bool) -> None:
        """Ask for another launch later, where the pipeline waits for late spans and the time is not over.

        Spans that the run can do without are waited for only while they are the newest: an old gap, which later
        spans have passed, is not late but lost.

        Raises:
            SpansAwaited: There is time to wait.
        """
        until = awaited_until(self.config, self.request)
        if until is None or self.now() >= until:
            return
        asked = self.spans(Part.ALL)
        late = {span: place for span, place in absent.items() if not enough or span > max(set(asked) - set(absent))}
        if late:
            error = span_missing(sorted(late.items()), asked=len(asked), what=reason)
            raise SpansAwaited(error.what, until=until, where=error.where, next_step=error.next_step)

    def _share(self, part: Part) -> float:
        least = self.config.window.min_spans
        return least.train if part in (Part.TRAIN, Part.REFERENCE) else least.eval

    def spans(self, part: Part) -> tuple[Span, ...]:
        """The spans of one part of the window, in time order, each once."""
        if part is Part.PAST:
            return with_past(self.spans(Part.ALL), self.config.data.span, self.config.data.look_back)
        parts = self._parts
        if part in _OF_A_CHALLENGE and part not in parts:
            return ()
        wanted = [parts[one] for one in part.parts if one in parts] or parts.values()
        intervals = {interval for found in wanted for interval in found}
        return tuple(sorted({span for interval in intervals for span in interval.spans(self.config.data.span)}))

    @cached_property
    def _parts(self) -> dict[Part, tuple[Interval, ...]]:
        if self.kind is GraphKind.INFERENCE:
            scored = inference_window(self.config, self.request)
            if self.config.push.rollout is None or self.baseline is None:
                return {Part.SCORED: (scored,)}
            beside = asked_beside(self.config, self.challenge, self.baseline.version, scored)
            return {Part.SCORED: (scored,), **({} if beside is None else {Part.BESIDE: (beside,)})}
        if self.kind is GraphKind.RETRAINING:
            window = training_window(self.config, self.request)
            tuned = tuning_intervals(self.config, self.request, self.candidate)
            parts: dict[Part, tuple[Interval, ...]] = {
                Part.TRAIN: (window.train,),
                Part.EVALUATION: (window.evaluation,),
            }
            return {**parts, Part.TUNING: tuned} if tuned else parts
        seen = monitor_window(self.config, self.request)
        champion = self._required_baseline()
        reference = Interval(start=champion.train_start, end=champion.train_end)
        trial = {} if self.trial is None else {Part.TRIAL: (self.trial.judged,)}
        return {Part.REFERENCE: (reference,), Part.CURRENT: (seen.current,), Part.LABELLED: (seen.labelled,), **trial}

    @cached_property
    def baseline(self) -> ModelVersion | None:
        """The champion of the run's time: promoted by then, and blind to the rows it will be judged on, if it will."""
        if self.kind is GraphKind.INFERENCE:
            return self._champion_then
        if self.kind is GraphKind.MONITORING:
            judged = monitor_window(self.config, self.request).labelled
            exclude = None
        else:
            judged = training_window(self.config, self.request).evaluation
            exclude = self._challenger_digest()
        if not isinstance(self.config.data.split, TimeSplit):
            champion = self._champion(judged.end, exclude)
            if champion is not None and self._split_alike(champion):
                return champion  # the same rows of every span were kept from it
        return self._champion(judged.start, exclude)

    @property
    def _champion_then(self) -> ModelVersion | None:
        data, as_of = self.config.data, self.request.as_of
        mature = newest_mature_end(as_of, grain=data.span, label_delay=data.label.delay)
        with self.session.metadata.begun() as connection:
            return champion_at(connection, self.config.name, as_of=as_of, mature=mature)

    @cached_property
    def challenge(self) -> Challenge | None:
        """The challenger and the champion that it is compared with."""
        return self.session.registry.challenge(self.config.name)

    @cached_property
    def trial(self) -> Trial | None:
        """What the run has to look at of the challenger, if anything."""
        return trial_of(self.config, self.challenge, self.request.as_of)

    @property
    def earlier_tests(self) -> int:
        """How many challengers of earlier windows were compared with the run's baseline; counted where it matters."""
        criteria = self.config.evaluation.validation_criteria
        if self.baseline is None or not any(isinstance(one, ChampionCriterion) and one.spends for one in criteria):
            return 0
        end = training_window(self.config, self.request).evaluation.end
        evaluations = self.session.metadata.find_artifacts(
            type=ArtifactType.EVALUATION, pipeline=self.config.name, limit=_MOST
        )
        baseline = self.baseline.artifact_id
        same = {baseline, *equals_of(self.session, baseline)}  # it may have been removed and made again in between
        judged = [one.properties for one in evaluations if one.properties.get("baseline") in same]
        windows = {(str(one["start"]), str(one["end"])) for one in judged}
        return sum(parse_moment(until) < end for _, until in windows)

    def _champion(self, judged_from: datetime, exclude: str | None) -> ModelVersion | None:
        return self.session.registry.baseline(
            self.config.name, as_of=self.request.as_of, evaluation_start=judged_from, exclude_digest=exclude
        )

    def _from_champion(self, binding: Baseline) -> tuple[Artifact, ...]:
        if binding.earlier:
            return self._from_earlier_champion()
        return self._from_baseline(binding.output, required=binding.required)

    def _from_earlier_champion(self) -> tuple[Artifact, ...]:
        """The model that a run may start from: it has not seen the evaluation rows, and is not this window's own."""
        window = training_window(self.config, self.request)
        before = window.train.end - timedelta(microseconds=1)
        champion = self._champion(before, None)
        if champion is None or (champion.train_end > window.evaluation.start and not self._split_alike(champion)):
            champion = self._champion(min(before, window.evaluation.start), None)
        return () if champion is None else self.session.metadata.present([champion.artifact_id])

    def _split_alike(self, champion: ModelVersion) -> bool:
        (model,) = self.session.metadata.present([champion.artifact_id])
        return model.properties.get("split") == digest_json(self.config.data.split.model_dump(mode="json"))

    def _required_baseline(self) -> ModelVersion:
        if self.baseline is None:
            raise NoChampion(
                f"pipeline {self.config.name} has no champion as of {iso(self.request.as_of)}: there is nothing to"
                + (" predict with yet" if self.kind is GraphKind.INFERENCE else " monitor yet"),
                next_step=f"train one: mlcore run {self.config.name} --at {iso(self.request.as_of)}",
            )
        return self.baseline

    def _challenger_digest(self) -> str | None:
        node = next((name for name in (TRAINER.name, MODEL_SELECTOR.name) if name in self.upstream), None)
        return None if node is None else self._from_node(node, "model", Part.ALL)[0].digest

    def _from_baseline(self, output: str, *, required: bool) -> tuple[Artifact, ...]:
        champion = self._required_baseline() if required else self.baseline
        if champion is None:
            return ()
        artifact_id = champion.evaluation_id if output == "evaluation" else champion.artifact_id
        return self.session.metadata.present([artifact_id])

    def _predicted(self, part: Part, by: Predictor) -> tuple[Artifact, ...]:
        """Of each span what stood when its last label matured: predictions that were made later are no forecasts."""
        model = self._required_baseline() if by is Predictor.BASELINE else self._contending(by)
        if model is None:
            return ()
        delay = self.config.data.label.delay
        mature = {span: min(span.end + delay, self.request.as_of) for span in self.spans(part)}
        made = ArtifactType.CHALLENGER_PREDICTIONS if by is Predictor.CHALLENGER else ArtifactType.PREDICTIONS
        with self.session.metadata.begun() as connection:
            return standing(connection, self.config.name, model.digest, mature, type=made)

    def _contender(self, *, champion: bool) -> tuple[Artifact, ...]:
        version = self._contending(Predictor.CHALLENGED if champion else Predictor.CHALLENGER)
        return () if version is None else self.session.metadata.present([version.artifact_id])

    @property
    def challenger(self) -> ModelVersion | None:
        """Who is compared with the champion in this run, or asked beside it; ``None`` where nobody is."""
        return self._contending(Predictor.CHALLENGER)

    def _contending(self, which: Predictor) -> ModelVersion | None:
        part = Part.BESIDE if self.kind is GraphKind.INFERENCE else Part.TRIAL
        if self.challenge is None or part not in self._parts:
            return None
        return self.challenge.challenger if which is Predictor.CHALLENGER else self.challenge.champion

    def _said(self) -> tuple[Artifact, ...]:
        digest = self._challenger_digest()
        said = self.session.registry.approval(self.config.name, digest) if digest else None
        return () if said is None or said.artifact_id is None else self.session.metadata.present([said.artifact_id])

    @cached_property
    def config_in_force(self) -> PipelineConfig:
        """The pipeline's file; of a champion that people rolled back to, with what it was judged by when it was pushed.

        That is the features, the evaluation and the monitor's thresholds: they come back with the model.
        """
        champion = self.baseline if self.kind is GraphKind.MONITORING else None
        if champion is None or self.config.monitor is None or not self.session.registry.restored(champion):
            return self.config
        try:
            then = PipelineConfig.model_validate(champion.config)
        except ValueError as error:
            _LOG.warning(
                "the settings of version %d cannot be read by this release, those of the file are used: %s",
                champion.version, quoted(str(error)),
            )  # fmt: skip
            return self.config
        update: dict[str, object] = {"features": then.features, "evaluation": then.evaluation}
        if then.monitor is not None:
            thresholds = {name: getattr(then.monitor, name) for name in ("drift", "performance", "retrain")}
            update["monitor"] = self.config.monitor.model_copy(update=thresholds)
        return self.config.model_copy(update=update)

    def _from_node(self, node: str, output: str, part: Part) -> tuple[Artifact, ...]:
        try:
            artifacts = self.session.metadata.outputs(self.upstream[node])[output]
        except KeyError as error:
            raise MetadataError(
                f"there is no output {output!r} of {node} to read",
                where=f"run {self.request.run}",
                next_step="run the nodes before it first",
            ) from error
        if artifacts and artifacts[0].type in CHECKED:
            artifacts = tuple(one for one in artifacts if is_complete(self.config, one))
        if part is Part.ALL and all(artifact.span is None for artifact in artifacts):
            return artifacts
        return self._of_spans(artifacts, self.spans(part), node)

    def _of_spans(self, artifacts: Sequence[Artifact], spans: Sequence[Span], node: str) -> tuple[Artifact, ...]:
        by_span = {artifact.span: artifact for artifact in artifacts}
        missing = [span for span in spans if span not in by_span]
        strict = [part for part in self._parts if part not in (Part.TUNING, *_OF_A_CHALLENGE)]
        window = {span for part in strict for span in self.spans(part)}
        if window.intersection(missing) and not self._may_miss:
            raise MetadataError(
                f"{node} made nothing for {len(missing)} spans of the window, the first is {missing[0].label}",
                next_step="run it again: the champion, and with it the window, changed while the run was under way",
            )
        self._do_without(dict.fromkeys(missing, f"output of {node}"), "are not there or not complete")
        return tuple(by_span[span] for span in spans if span in by_span)

    @property
    def _may_miss(self) -> bool:
        least = self.config.window.min_spans
        return (least.train, least.eval) != (1.0, 1.0)


def needed(share: float, spans: int) -> int:
    """How many of so many spans must be there: an integer is a number of them, anything else a fraction."""
    return min(share, spans) if isinstance(share, int) else max(1, math.ceil(share * spans))
