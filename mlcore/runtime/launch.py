"""The launcher: resolve inputs, fingerprint, reuse or run, publish.

It alone talks to the stores on a component's behalf. Whatever a component wrote becomes visible in one database
transaction, or never: killed at any moment, a rerun finds the lock free, abandons what was half-done and starts over.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from mlcore.artifacts.blocks import Blocks
from mlcore.components.base import SPANS, SPLIT, Component, Inputs, Output, Payload, SpanComponent
from mlcore.components.merging import CODE
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType, EventType, ExecutionState, NewArtifact, NewExecution, SplitName
from mlcore.errors import ArtifactMissing, MlcoreError, SpansAwaited
from mlcore.ingest.copies import keeping_copies
from mlcore.ingest.divisions import Divisions
from mlcore.metadata.locks import with_lock
from mlcore.metadata.store import AlreadyPublished, Publication
from mlcore.metadata.writes import insert_events
from mlcore.runtime.attempts import attempt
from mlcore.runtime.candidates import naming
from mlcore.runtime.environment import ENVIRONMENT, present_environment, write_environment
from mlcore.runtime.fingerprint import MADE_BY, code_digest, fingerprint, made_by
from mlcore.runtime.graphs.graph import Graph, Node
from mlcore.runtime.graphs.inference import read_as
from mlcore.runtime.logs import log_context
from mlcore.runtime.publishing import publish
from mlcore.runtime.release.following import level_after
from mlcore.runtime.release.telling import Occasion
from mlcore.runtime.resolve import Resolver
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import CHECKED
from mlcore.runtime.spans import launch_spans
from mlcore.runtime.waiting import waiting

_LOG = logging.getLogger(__name__)
_NAMED = 5
Splits = Mapping[str, SplitName | None]
"""By input name, the split of its artifacts that it takes."""
Launched = tuple[int, ExecutionState, str]
"""The execution's id, what became of it, and a few words on its outputs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaunchResult:
    """What came of one node.

    Attributes:
        state: COMPLETE where something was computed, CACHED where all of it was there.
        summary: A few words on the outputs.
        behind: The destinations that do not show yet what was pushed, each with the reason.
    """

    node: str
    execution_id: int
    state: ExecutionState
    summary: str
    seconds: float
    behind: tuple[str, ...] = ()


def launch(
    session: Session,
    config: PipelineConfig,
    graph: Graph,
    node_name: str,
    *,
    request: RunRequest,
    upstream: Mapping[str, int],
    look_at: str = "",
) -> LaunchResult:
    """Run one node of a graph, or reuse what an equal execution made.

    Args:
        session: The stores.
        config: The pipeline.
        graph: One of its graphs.
        node_name: Which node.
        request: The run it belongs to.
        upstream: Execution id by name of every node in ``Node.upstream``.
        look_at: Where a person sees the run, for alerts.

    Raises:
        SpansAwaited: Spans are late, and the pipeline waits for them: launch it again.
        MlcoreError: Inputs cannot be resolved, the component failed, or its outputs stop the run.
    """
    started = time.monotonic()
    node, config = graph[node_name], read_as(config, graph.kind)
    context = log_context(pipeline=config.name, run=request.run, node=node.name)
    with context, Divisions() as divisions, keeping_copies():
        resolver = Resolver(
            config=config,
            request=request,
            kind=graph.kind,
            upstream=upstream,
            session=session,
            candidate=node.candidate,
            divisions=divisions,
        )
        with _recorded(session, node, request):
            inputs = {key: resolver.resolve(binding) for key, binding in node.inputs.items()}
        splits = {key: resolver.split(binding) for key, binding in node.inputs.items()}
        launch_component = _launch_spans if issubclass(node.component, SpanComponent) else _launch_whole
        execution_id, state, summary = launch_component(session, node, resolver, inputs, splits)
        behind = _followed(session, config, node, Occasion(run=request.run, look_at=look_at))
        if behind:
            summary += ", not level yet: a destination"
        if resolver.without:
            summary += f", without {', '.join(resolver.without[:_NAMED])}" + ", ..." * (len(resolver.without) > _NAMED)
        _LOG.info("%s: %s %s", node.name, state.value, summary)
    return LaunchResult(
        node=node.name,
        execution_id=execution_id,
        state=state,
        summary=summary,
        seconds=time.monotonic() - started,
        behind=behind,
    )


def _followed(session: Session, config: PipelineConfig, node: Node, occasion: Occasion) -> tuple[str, ...]:
    """What follows the registry is brought level; the destinations that are not, each with the reason.

    That is after a push, and with every drift report: those come more often, and end what a killed push left.
    """
    made = set(node.component.outputs.values()) if issubclass(node.component, Component) else set()
    if not made & {ArtifactType.PUSHED_MODEL, ArtifactType.DRIFT_REPORT}:
        return ()
    return tuple(f"{one.place}: {one.error}" for one in level_after(session, config, occasion))


@contextmanager
def _recorded(session: Session, node: Node, request: RunRequest) -> Iterator[None]:
    """A node that fails before it has inputs leaves an execution too: alerts and lists read the reason there."""
    try:
        yield
    except SpansAwaited:
        raise  # which is no failure: the node is launched again
    except MlcoreError as error:
        with suppress(MlcoreError):
            execution = NewExecution(
                component=node.component.__name__,
                pipeline=request.pipeline,
                run=request.run,
                fingerprint=None,
                origin={**request.origin, "node": node.name},
            )
            session.metadata.fail(session.metadata.begin(execution, {}).id, str(error))
        raise


def _launch_spans(
    session: Session, node: Node, resolver: Resolver, inputs: Mapping[str, Sequence[Artifact]], splits: Splits
) -> Launched:
    assert issubclass(node.component, SpanComponent)
    component = node.component(resolver.config)
    component.learn(resolver)
    shared = {key: found for key, found in inputs.items() if key not in ("source", "past")}
    spans = launch_spans(
        session, component, resolver.request, inputs["source"], splits.get("source"), inputs.get("past", ()), shared
    )
    if component.output in CHECKED:
        resolver.require_complete(session.metadata.outputs(spans.execution_id)[SPANS])
    return spans.execution_id, spans.state, spans.summary


def _launch_whole(
    session: Session, node: Node, resolver: Resolver, inputs: Mapping[str, Sequence[Artifact]], splits: Splits
) -> Launched:
    assert issubclass(node.component, Component)
    given, request = resolver.config_in_force, resolver.request
    component = node.component(given.of_candidate(node.candidate) if node.candidate else given, request)
    component.without, component.candidate = resolver.without, node.candidate
    component.learn(resolver)
    execution = NewExecution(
        component=type(component).__name__,
        pipeline=request.pipeline,
        run=request.run,
        fingerprint=fingerprint(component, inputs) if component.cacheable else None,
        parameters={**component.parameters, **({"candidate": node.candidate} if node.candidate else {})},
        origin={**request.origin, "node": node.name, MADE_BY: made_by(component)},
    )
    reused = _reuse(session, execution, inputs)
    if reused is not None:
        execution_id, outputs = reused
        state = ExecutionState.CACHED
    else:
        execution_id, state = _run_locked(session, component, execution, inputs, splits)
        outputs = session.metadata.outputs(execution_id)
    payloads = read_payloads(session, outputs)
    component.check(payloads)
    return execution_id, state, component.summary(payloads)


def _run_locked(
    session: Session,
    component: Component,
    execution: NewExecution,
    inputs: Mapping[str, Sequence[Artifact]],
    splits: Splits,
) -> tuple[int, ExecutionState]:
    """Run under the fingerprint's lock: of two equal executions at once, the second waits and reuses."""
    execution, key = with_lock(execution)
    keys = [key, f"{execution.component} of {execution.pipeline}"] if component.alone else [key]
    with session.metadata.exclusive(keys, on_wait=waiting):
        reused = _reuse(session, execution, inputs)
        if reused is not None:
            return reused[0], ExecutionState.CACHED
        readable = read_payloads(session, inputs, splits)
        begun = session.metadata.begin(execution, _ids(inputs))
        try:
            with log_context(execution=begun.id), attempt(session, [begun.id]), _scratch(session, component, execution):
                _run(session, component, begun.id, readable)
        except AlreadyPublished:
            reused = _reuse(session, execution, inputs)
            if reused is None:
                raise
            return reused[0], ExecutionState.CACHED
        return begun.id, ExecutionState.COMPLETE


@contextmanager
def _scratch(session: Session, component: Component, execution: NewExecution) -> Iterator[None]:
    """The component's scratch folder: kept until an attempt succeeds; whoever uses it makes it."""
    if execution.fingerprint is None:
        yield
        return
    component.scratch = session.scratch / execution.fingerprint.removeprefix("sha256:")
    yield
    shutil.rmtree(component.scratch, ignore_errors=True)


def _run(session: Session, component: Component, execution_id: int, inputs: Inputs) -> None:
    pipeline = component.request.pipeline
    prefix = session.artifacts.fresh(pipeline, type(component).__name__, execution_id)
    types = {**component.outputs}
    if ArtifactType.MODEL in types.values():
        types[ENVIRONMENT] = ArtifactType.ENVIRONMENT
    uris = {key: f"{prefix}/{key}" for key in types}
    outputs = {key: Output(path=session.artifacts.folder(uri)) for key, uri in uris.items()}
    with session.artifacts.writing(prefix):
        with naming(component.candidate):
            component.run(inputs, outputs)
        if ENVIRONMENT in types:
            write_environment(outputs[ENVIRONMENT].path, present_environment(session.project))
    published = {
        key: [
            NewArtifact(
                type=types[key],
                uri=uris[key],
                digest=session.artifacts.seal(uris[key]),
                pipeline=pipeline,
                properties=output.properties,
            )
        ]
        for key, output in outputs.items()
    }

    def commit(connection: Connection) -> None:
        component.commit(connection, inputs)
        passed_on = component.passed_on(inputs, outputs)
        insert_events(connection, [(execution_id, _ids(passed_on))], EventType.CACHED_OUTPUT)

    publish(session, [Publication(execution_id=execution_id, outputs=published)], on_commit=commit)


def _reuse(
    session: Session, execution: NewExecution, inputs: Mapping[str, Sequence[Artifact]]
) -> tuple[int, Mapping[str, tuple[Artifact, ...]]] | None:
    """Record the execution as CACHED when an equal one's outputs are there, files and all."""
    if execution.fingerprint is None:
        return None
    earlier = session.metadata.cached([execution.fingerprint]).get(execution.fingerprint)
    if earlier is None:
        return None
    outputs = session.metadata.outputs(earlier)
    try:
        for artifacts in outputs.values():
            for artifact in artifacts:
                session.artifacts.verify(artifact)
    except ArtifactMissing as error:
        _LOG.warning("what execution %d made is gone, and is made again: %s", earlier, error)
        session.metadata.invalidate(earlier)
        return None
    recorded = session.metadata.record_cached(execution, _ids(inputs), _ids(outputs))
    return recorded.id, outputs


def read_payloads(
    session: Session, artifacts: Mapping[str, Sequence[Artifact]], splits: Splits | None = None
) -> Inputs:
    """Artifacts with the folders they lie in; of those that are split, the folder of the split an input takes.

    Raises:
        ArtifactMissing: A folder is gone.
    """
    payloads = {}
    for key, found in artifacts.items():
        for artifact in found:
            session.artifacts.verify(artifact, deep=artifact.type is ArtifactType.MODEL)
        split = (splits or {}).get(key)
        payloads[key] = [Payload(artifact=artifact, path=_path(session, artifact, split)) for artifact in found]
    pipelines = {artifact.pipeline for found in artifacts.values() for artifact in found}
    return Inputs(payloads, _blocks(session, pipelines.pop()) if len(pipelines) == 1 else None)


def _blocks(session: Session, pipeline: str) -> Blocks:
    return Blocks(store=session.artifacts, pipeline=pipeline, code=code_digest(CODE))


def _path(session: Session, artifact: Artifact, split: SplitName | None) -> Path:
    path = session.artifacts.path(artifact.uri)
    return path / split if split is not None and artifact.type in SPLIT else path


def _ids(artifacts: Mapping[str, Sequence[Artifact]]) -> dict[str, list[int]]:
    return {key: [artifact.id for artifact in found] for key, found in artifacts.items()}
