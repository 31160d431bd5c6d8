"""The launcher for components that work span by span: cost follows new data.

Every span has a fingerprint of its own. Spans that were worked on before are looked up, all others are worked on in
one go, and one execution of the run gathers them all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlcore.components.base import SPANS, Output, Payload, SpanComponent, SpanTask
from mlcore.core.past import looked_back_on
from mlcore.core.request import RunRequest
from mlcore.core.types import Artifact, ArtifactType, ExecutionState, NewArtifact, NewExecution, SplitName
from mlcore.errors import ArtifactMissing, MetadataError
from mlcore.metadata.store import Publication
from mlcore.runtime.attempts import attempt
from mlcore.runtime.fingerprint import MADE_BY, fingerprint, made_by
from mlcore.runtime.publishing import publish
from mlcore.runtime.session import Session
from mlcore.runtime.sources.catalog import check_present
from mlcore.runtime.waiting import waiting

_LOG = logging.getLogger(__name__)
PORTION_SPANS = 1_000
"""So many spans are locked, worked on and published at once: the server's lock table has room for thousands, and a
killed run has lost no more than a portion."""

Shared = Mapping[str, Sequence[Artifact]]
"""By input name, what is the same for every span."""
Seen = Mapping[int, Shared]
"""By the id of each source, what else its output is made of, by input name: what it looks back on is ``past``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpansResult:
    execution_id: int
    state: ExecutionState
    summary: str


def launch_spans(
    session: Session,
    component: SpanComponent,
    request: RunRequest,
    sources: Sequence[Artifact],
    split: SplitName | None = None,
    past: Sequence[Artifact] = (),
    shared: Shared | None = None,
) -> SpansResult:
    """One output for every source, in order, made now or earlier; of a split of it where one is named.

    An output is made of its source, of those among ``past`` that lie within the component's look-back before it, and of
    what is ``shared``, such as a model.
    """
    seen = {source.id: {**_looked_back(source, past, component), **(shared or {})} for source in sources}
    by_fingerprint = {fingerprint(component, _inputs(source, seen), source.span): source for source in sources}
    known = _known(session, list(by_fingerprint))
    missing = [key for key in by_fingerprint if key not in known]
    if missing:
        with component.working([_payload(session, by_fingerprint[key], split) for key in missing]):
            for start in range(0, len(missing), PORTION_SPANS):
                portion = {key: by_fingerprint[key] for key in missing[start : start + PORTION_SPANS]}
                known |= _work_locked(session, component, request, portion, split, seen)
    made = [known[key] for key in by_fingerprint]
    gathered = session.metadata.record_cached(
        _execution(component, request, fingerprint=None),
        {"source": [source.id for source in sources], **_ids(shared or {})},
        {SPANS: [artifact.id for artifact in made]},
        state=ExecutionState.COMPLETE if missing else ExecutionState.CACHED,
    )
    summary = f"{len(made)} spans, {len(missing)} new" if missing else f"{len(made)} spans, none new"
    return SpansResult(execution_id=gathered.id, state=gathered.state, summary=summary)


def _work_locked(
    session: Session,
    component: SpanComponent,
    request: RunRequest,
    missing: Mapping[str, Artifact],
    split: SplitName | None,
    seen: Seen,
) -> dict[str, Artifact]:
    """Work under the fingerprints' locks: a span that another run works on is waited for and reused."""
    with session.metadata.exclusive(list(missing), on_wait=waiting):
        known = _known(session, list(missing))
        todo = {key: source for key, source in missing.items() if key not in known}
        return known | _work(session, component, request, todo, split, seen) if todo else known


def _known(session: Session, fingerprints: Sequence[str]) -> dict[str, Artifact]:
    """The artifacts made before, by fingerprint; what lost its files is forgotten, to be made again."""
    executions = session.metadata.cached(fingerprints)
    outputs = session.metadata.outputs_of(list(executions.values()))
    found = {}
    for key, execution_id in executions.items():
        (artifact,) = outputs[execution_id][SPANS]
        try:
            session.artifacts.verify(artifact)
        except ArtifactMissing as error:
            _LOG.warning("the output of execution %d is gone, and is made again: %s", execution_id, error)
            session.metadata.invalidate(execution_id)
        else:
            found[key] = artifact
    return found


def _work(
    session: Session,
    component: SpanComponent,
    request: RunRequest,
    todo: Mapping[str, Artifact],
    split: SplitName | None,
    seen: Seen,
) -> dict[str, Artifact]:
    begun = session.metadata.begin_many(
        [
            (
                _execution(component, request, fingerprint=key),
                _ids(_inputs(source, seen)),
            )
            for key, source in todo.items()
        ]
    )
    ids = [execution.id for execution in begun]
    with attempt(session, ids):
        uris = [f"{session.artifacts.fresh(request.pipeline, type(component).__name__, id_)}/{SPANS}" for id_ in ids]
        others = [one for source in todo.values() for found in seen[source.id].values() for one in found]
        _verify(session, [*todo.values(), *others])
        tasks = [_task(session, source, seen, uri, split) for source, uri in zip(todo.values(), uris, strict=True)]
        with session.artifacts.writing(f"{request.pipeline}/{type(component).__name__}"):
            component.run(tasks)
        for source in todo.values():
            if source.type is ArtifactType.SOURCE_FILE:
                check_present(source)  # what was read is what was recorded, and not half of it
        published = publish(
            session,
            [
                Publication(execution_id=id_, outputs={SPANS: [_sealed(session, component, request, task, uri)]})
                for id_, task, uri in zip(ids, tasks, uris, strict=True)
            ],
        )
    return {key: outputs[SPANS][0] for key, outputs in zip(todo, published, strict=True)}


def _inputs(source: Artifact, seen: Seen) -> dict[str, Sequence[Artifact]]:
    return {"source": [source], **seen[source.id]}


def _looked_back(source: Artifact, past: Sequence[Artifact], component: SpanComponent) -> Shared:
    found = looked_back_on(source, past, component.look_back)
    return {"past": found} if found else {}


def _ids(inputs: Shared) -> dict[str, list[int]]:
    return {name: [one.id for one in found] for name, found in inputs.items()}


def _task(session: Session, source: Artifact, seen: Seen, uri: str, split: SplitName | None) -> SpanTask:
    if source.span is None:
        raise MetadataError(f"artifact {source.id} has no span", where=source.uri)
    return SpanTask(
        span=source.span,
        source=_payload(session, source, split),
        output=Output(path=session.artifacts.folder(uri)),
        past=tuple(_payload(session, one, split) for one in seen[source.id].get("past", ())),
        shared={
            name: tuple(_payload(session, one, None) for one in found)
            for name, found in seen[source.id].items()
            if name != "past"
        },
    )


def _payload(session: Session, source: Artifact, split: SplitName | None) -> Payload:
    path = session.artifacts.path(source.uri)
    return Payload(artifact=source, path=path / split if split else path)


def _verify(session: Session, sources: Sequence[Artifact]) -> None:
    for source in {source.id: source for source in sources}.values():
        if source.type is ArtifactType.SOURCE_FILE:
            check_present(source)
        else:
            session.artifacts.verify(source)


def _sealed(session: Session, component: SpanComponent, request: RunRequest, task: SpanTask, uri: str) -> NewArtifact:
    return NewArtifact(
        type=component.output,
        uri=uri,
        digest=session.artifacts.seal(uri),
        pipeline=request.pipeline,
        span=task.span,
        properties=task.output.properties,
    )


def _execution(component: SpanComponent, request: RunRequest, *, fingerprint: str | None) -> NewExecution:
    return NewExecution(
        component=type(component).__name__,
        pipeline=request.pipeline,
        run=request.run,
        fingerprint=fingerprint,
        parameters=dict(component.parameters),
        origin={**request.origin, MADE_BY: made_by(component)},
    )
