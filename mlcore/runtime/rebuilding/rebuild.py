"""One component run once more on what it read, and what came out of it beside what was recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlcore.artifacts.digests import digest_folder
from mlcore.components.base import SPANS, SPLIT, Component, Inputs, Output, Payload, SpanComponent, SpanTask
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactType, Json
from mlcore.errors import ComponentFailed, DataError, MlcoreError, VersionGone, quoted
from mlcore.runtime.environment import ENVIRONMENT
from mlcore.runtime.graphs.graph import Graph
from mlcore.runtime.kept import verify_kept
from mlcore.runtime.rebuilding.originals import Original, find_originals
from mlcore.runtime.rebuilding.reasons import Reason, why_unequal
from mlcore.runtime.rebuilding.recorded import Restored, restore
from mlcore.runtime.release.provenance import Made, started_from
from mlcore.runtime.session import Session

PORTION_SPANS = 1_000
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What came of one component.

    Attributes:
        outputs: How many it made.
        different: Those that came out otherwise: spans, or the names of outputs.
        stored: Spans whose stored Examples were taken, because their source no longer holds what was read.
        reasons: Why outputs differ although what they were made from is equal; empty where it is not.
        caveats: What was not rebuilt, or not as the pipeline's file says now.
        digests: Of a component with one output: what was recorded, and what came out.
    """

    component: str
    node: str
    outputs: int
    different: tuple[str, ...] = ()
    stored: int = 0
    reasons: tuple[Reason, ...] = ()
    caveats: tuple[str, ...] = ()
    digests: tuple[str, str] | None = None
    seconds: float = 0.0

    def to_document(self) -> dict[str, Json]:
        """For programs."""
        recorded, rebuilt = self.digests or (None, None)
        return {
            "component": self.component,
            "node": self.node,
            "outputs": self.outputs,
            "different": list(self.different),
            "stored": self.stored,
            "reasons": [reason.words for reason in self.reasons],
            "caveats": list(self.caveats),
            "recorded": recorded,
            "rebuilt": rebuilt,
            "seconds": round(self.seconds, 3),
        }


@dataclass(kw_only=True)
class Rebuilder:
    """Rebuilds the executions of a lineage, one stage after the other.

    Attributes:
        folder: Where the outputs are written.
        from_sources: Whether source files are read.
        from_examples: Whether stored Examples may stand for them.
        elsewhere: What is otherwise in this environment, in words.
        payloads: By the id of a recorded artifact: what was made in its place, with its own digest.
        again: By the id of a model that the version went on from: why it was made again, in words.
    """

    session: Session
    config: PipelineConfig
    graph: Graph
    lineage: Sequence[Made]
    folder: Path
    from_sources: bool = True
    from_examples: bool = True
    elsewhere: Callable[[], tuple[str, ...]] = tuple
    again: dict[int, str] = field(default_factory=dict)
    payloads: dict[int, Payload] = field(default_factory=dict)
    _unequal: set[int] = field(default_factory=set)

    def has(self, one: Made) -> bool:
        """Whether everything that an execution made was made in its place."""
        return all(artifact.id in self.payloads for _, artifact in _outputs(one))

    def step(self, stage: Sequence[Made]) -> Step:
        """Rebuild executions of one component with one set of parameters, all whose inputs were rebuilt."""
        started = time.monotonic()
        restored = restore(self.config, self.graph, stage[0], self.lineage)
        with _failing(stage[0]):
            stored = self._rebuild(stage, restored)
        found = {_name(key, artifact): artifact for one in stage for key, artifact in _outputs(one)}
        different = {name: artifact for name, artifact in found.items() if self._differs(artifact)}
        self._unequal |= {artifact.id for artifact in different.values()}
        whole = next(iter(found.values())) if len(found) == 1 else None
        return Step(
            component=stage[0].execution.component,
            node=stage[0].node,
            outputs=len(found),
            different=tuple(different),
            stored=len(stored),
            reasons=self._reasons(stage, restored) if different else (),
            caveats=(*stored[:_NAMED], *_more(stored), *self._started(stage), *_otherwise(restored)),
            digests=None if whole is None else (whole.digest, self.payloads[whole.id].artifact.digest),
            seconds=time.monotonic() - started,
        )

    def _rebuild(self, stage: Sequence[Made], restored: Restored) -> list[str]:
        """Run it; returns of spans whose stored Examples were taken why, in words."""
        if isinstance(restored.component, SpanComponent):
            return self._spans(stage, restored, restored.component)
        for one in stage:
            self._window(one, restored, restored.component)
        return []

    def _differs(self, artifact: Artifact) -> bool:
        return self.payloads[artifact.id].artifact.digest != artifact.digest

    def _window(self, one: Made, restored: Restored, component: Component) -> None:
        made = dict(_outputs(one))
        outputs = {key: Output(path=self._fresh(one, key)) for key in component.outputs}
        component.scratch = None
        read = {key: one.inputs.get(key, ()) for key in (*restored.node.inputs, *one.inputs)}  # of some there was none
        component.run(Inputs({key: self._read(restored, key, found) for key, found in read.items()}), outputs)
        for key, artifact in made.items():
            self._keep(artifact, outputs[key].path)

    def _read(self, restored: Restored, key: str, artifacts: Sequence[Artifact]) -> list[Payload]:
        split = restored.split(key)
        return [
            replace(payload, path=payload.path / split) if split and payload.artifact.type in SPLIT else payload
            for payload in map(self._payload, artifacts)
        ]

    def _payload(self, artifact: Artifact) -> Payload:
        """What was made in its place; what nothing here made is taken as it is, its bytes checked."""
        if artifact.id not in self.payloads:
            verify_kept(self.session, artifact)
            self.payloads[artifact.id] = Payload(artifact=artifact, path=self.session.artifacts.path(artifact.uri))
        return self.payloads[artifact.id]

    def _spans(self, stage: Sequence[Made], restored: Restored, component: SpanComponent) -> list[str]:
        if component.input is ArtifactType.SOURCE_FILE:
            return self._from_sources(stage, component)
        sources = [self._read(restored, "source", one.inputs["source"])[0] for one in stage]
        past = {one.execution.id: tuple(self._read(restored, "past", one.inputs.get("past", ()))) for one in stage}
        self._run(component, stage, sources, past)
        return []

    def _from_sources(self, stage: Sequence[Made], component: SpanComponent) -> list[str]:
        recorded = [one.inputs["source"][0] for one in stage]
        if not self.from_sources:
            originals = [Original(recorded=artifact, payload=None, absent="not asked for") for artifact in recorded]
        else:
            originals = find_originals(self.session, self.config, recorded)
        there = [(one, found.payload) for one, found in zip(stage, originals, strict=True) if found.payload]
        unread = self._run_readable(component, [one for one, _ in there], [payload for _, payload in there])
        return [
            self._stored(one, found, unread.get(one.execution.id, ""))
            for one, found in zip(stage, originals, strict=True)
            if self._is_lost(one, found, unread)
        ]

    def _is_lost(self, one: Made, found: Original, unread: Mapping[int, str]) -> bool:
        """Whether a span's rows cannot be had from its source. Equal Examples need no equal file."""
        if found.payload is None or one.execution.id in unread:
            return True
        return any(self._differs(artifact) for _, artifact in _outputs(one)) and found.is_other()

    def _stored(self, one: Made, found: Original, unread: str) -> str:
        ((_, examples),) = _outputs(one)
        why = found.absent or unread or f"its file changed since: {found.recorded.uri}"
        what = f"the rows of span {found.label} that the model was trained on cannot be had: {why}"
        if not self.from_examples:
            raise VersionGone(
                what,
                where=found.recorded.uri,
                next_step=f"put that version of the file back, {found.recorded.digest},"
                " or let the stored Examples stand for it (--data auto)",
            )
        self.payloads.pop(examples.id, None)
        try:
            self._payload(examples)
        except MlcoreError as error:
            raise VersionGone(
                f"{what}; and {error.what}",
                where=found.recorded.uri,
                next_step=f"put that version of the file back: {found.recorded.digest}",
            ) from error
        return f"span {found.label} is taken from its stored Examples: {why}"

    def _run_readable(
        self, component: SpanComponent, stage: Sequence[Made], sources: Sequence[Payload]
    ) -> dict[int, str]:
        """Run on sources that may have changed: by execution, why one cannot be read now."""
        try:
            self._run(component, stage, sources)
        except DataError as error:
            if len(stage) == 1:
                return {stage[0].execution.id: error.what}
            found = [self._run_readable(component, [one], [source]) for one, source in zip(stage, sources, strict=True)]
            return {id_: words for each in found for id_, words in each.items()}
        return {}

    def _run(
        self,
        component: SpanComponent,
        stage: Sequence[Made],
        sources: Sequence[Payload],
        past: Mapping[int, tuple[Payload, ...]] | None = None,
    ) -> None:
        seen = past or {}
        tasks = [
            self._task(one, source, seen.get(one.execution.id, ())) for one, source in zip(stage, sources, strict=True)
        ]
        with component.working(sources):
            for start in range(0, len(tasks), PORTION_SPANS):
                component.run(tasks[start : start + PORTION_SPANS])
        for one, task in zip(stage, tasks, strict=True):
            ((_, artifact),) = _outputs(one)
            self._keep(artifact, task.output.path)

    def _task(self, one: Made, source: Payload, past: tuple[Payload, ...]) -> SpanTask:
        span = one.inputs["source"][0].span
        assert span is not None
        return SpanTask(span=span, source=source, output=Output(path=self._fresh(one, SPANS)), past=past)

    def _fresh(self, one: Made, key: str) -> Path:
        path = self.folder / one.execution.component / str(one.execution.id) / key
        for old in sorted(path.rglob("*"), reverse=True) if path.exists() else ():  # of an attempt that failed
            old.rmdir() if old.is_dir() else old.unlink()
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _keep(self, artifact: Artifact, path: Path) -> None:
        self.payloads[artifact.id] = Payload(artifact=replace(artifact, digest=digest_folder(path)), path=path)

    def _reasons(self, stage: Sequence[Made], restored: Restored) -> tuple[Reason, ...]:
        inputs = (one for made in stage for found in made.inputs.values() for one in found)
        if any(artifact.id in self._unequal for artifact in inputs):
            return ()  # the step above says why
        return why_unequal(stage[0].node, stage[0].execution, restored, self.elsewhere)

    def _started(self, stage: Sequence[Made]) -> tuple[str, ...]:
        return tuple(
            f"{one.node} went on from an earlier model, {artifact.digest}, which "
            + (f"is made again here: {self.again[artifact.id]}" if artifact.id in self.again else "was taken as it is")
            for one in stage
            for artifact in started_from(one.execution, one.inputs)
        )


@contextmanager
def _failing(one: Made) -> Iterator[None]:
    try:
        yield
    except MlcoreError:
        raise
    except Exception as error:
        raise ComponentFailed(
            f"{one.node} cannot be run again: {type(error).__name__}: {quoted(str(error), 300)}",
            where=f"execution {one.execution.id}",
            next_step="check out the code that the model was made with, and install its environment lock",
        ) from error


def _outputs(one: Made) -> list[tuple[str, Artifact]]:
    """What is compared: not the environment, which may be another."""
    return [(key, artifact) for key, found in one.outputs.items() for artifact in found if key != ENVIRONMENT]


def _name(key: str, artifact: Artifact) -> str:
    return key if artifact.span is None else artifact.span.label


def _more(stored: Sequence[str]) -> tuple[str, ...]:
    return (f"and {len(stored) - _NAMED} spans more from their stored Examples",) if len(stored) > _NAMED else ()


def _otherwise(restored: Restored) -> tuple[str, ...]:
    return tuple(f"the pipeline's file says otherwise now, and was not followed: {words}" for words in restored.changed)
