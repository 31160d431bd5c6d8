"""A version made once more from its lineage, and compared with what was recorded, digest by digest.

Every component that the model rests on runs again, in this process, with its recorded parameters on its recorded
inputs, from the source files down to the model. Nothing is published, and no store is written to.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Protocol

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import digest_json
from mlcore.core.types import Artifact, Json
from mlcore.core.window import iso
from mlcore.errors import ArtifactMissing, MetadataError, MlcoreError, VersionGone
from mlcore.registry.records import ModelVersion
from mlcore.runtime.graphs.retraining import retraining_graph
from mlcore.runtime.kept import why_removed
from mlcore.runtime.rebuilding.locks import Lock, find_lock
from mlcore.runtime.rebuilding.reasons import Cause
from mlcore.runtime.rebuilding.rebuild import Rebuilder, Step
from mlcore.runtime.release.provenance import Made, equals_of, started_from, trace
from mlcore.runtime.session import Session

__all__ = ["From", "Observer", "Reproduction", "Step", "reproduce"]

_LOG = logging.getLogger(__name__)
_IMPORTED = "the version was imported; what is made again is the equal model that a run made here"


class From(StrEnum):
    """Where the rows come from.

    AUTO: the sources, and the stored Examples of spans whose source no longer holds what was read. SOURCE: the sources
    alone. EXAMPLES: the stored Examples alone.
    """

    AUTO = "auto"
    SOURCE = "source"
    EXAMPLES = "examples"


class Observer(Protocol):
    """Told what is rebuilt."""

    def started(self, component: str, outputs: int) -> None: ...

    def finished(self, step: Step) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Reproduction:
    """What came of it.

    Attributes:
        rebuilt: Digest of the model as it came out.
        steps: From the sources down to the model.
        lock: What it was built with, and what is otherwise here.
        notes: What there is to say before any step.
    """

    version: ModelVersion
    rebuilt: str
    steps: tuple[Step, ...]
    lock: Lock
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the model has the recorded bytes."""
        return self.rebuilt == self.version.digest

    @property
    def caveats(self) -> tuple[str, ...]:
        """What was not rebuilt, or not as the pipeline's file says now."""
        return tuple(dict.fromkeys([*self.notes, *(words for step in self.steps for words in step.caveats)]))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it differs: of the first steps that do although what they read is equal."""
        return tuple(dict.fromkeys(reason.words for step in self.steps for reason in step.reasons))

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do where it differs, a line for each kind of reason."""
        causes = {reason.cause for step in self.steps for reason in step.reasons}
        return tuple(cause.value + self._known(cause) for cause in Cause if cause in causes)

    def _known(self, cause: Cause) -> str:
        """Which code, or how it is installed."""
        built = self.lock.environment
        if cause in (Cause.CODE, Cause.PARAMETERS) and built is not None and built.commit:
            return f": commit {built.commit}"
        if cause is Cause.PYTHON and built is not None:
            return f": {built.python}"
        return f": {self.lock.install}" if cause is Cause.LIBRARIES and self.lock.install else ""

    def to_document(self) -> dict[str, Json]:
        """For programs."""
        return {
            "pipeline": self.version.pipeline,
            "version": self.version.version,
            "reproduced": self.equal,
            "recorded": self.version.digest,
            "rebuilt": self.rebuilt,
            "reasons": list(self.reasons),
            "next_steps": list(self.next_steps),
            "caveats": list(self.caveats),
            "steps": [step.to_document() for step in self.steps],
            **self.lock.to_document(),
        }


def reproduce(
    session: Session,
    config: PipelineConfig,
    version: ModelVersion,
    *,
    rows: From = From.AUTO,
    keep: Path | None = None,
    observer: Observer | None = None,
) -> Reproduction:
    """Make a version once more.

    Args:
        session: The stores; they are read.
        config: The pipeline as its file says now; what was recorded goes before it.
        version: Which.
        rows: Where its rows come from.
        keep: A folder for what is rebuilt; by default it is removed.
        observer: Told what is rebuilt.

    Raises:
        MlcoreError: It cannot be rebuilt: its data is gone, its code is, or it was imported.
    """
    model = _made_here(session, config, version)
    with _folder(session, keep) as folder:
        rebuilder = Rebuilder(
            session=session,
            config=config,
            graph=retraining_graph(config),
            lineage=trace(session, model),
            folder=folder,
            from_sources=rows is not From.EXAMPLES,
            from_examples=rows is not From.SOURCE,
            elsewhere=lambda: find_lock(session, version).differences,
        )
        steps = (*_ancestors(rebuilder, observer), *_steps(rebuilder, observer))
        rebuilt = rebuilder.payloads[model].artifact.digest
    notes = () if model == version.artifact_id else (_IMPORTED,)
    return Reproduction(version=version, rebuilt=rebuilt, steps=steps, lock=find_lock(session, version), notes=notes)


def _made_here(session: Session, config: PipelineConfig, version: ModelVersion) -> int:
    """The version's model, or one that is equal to it and was made here.

    Raises:
        MetadataError: It was imported, and no run here made an equal one.
    """
    if any(one.inputs for one in trace(session, version.artifact_id)):
        return version.artifact_id
    for artifact_id in equals_of(session, version.artifact_id):
        if any(one.inputs for one in trace(session, artifact_id)):
            return artifact_id
    raise MetadataError(
        f"version {version.version} of {version.pipeline} was imported, and what it was made from is not known here",
        where=f"artifact {version.artifact_id}",
        next_step="reproduce it where it was made; or run its window here, on the same data, and reproduce it then:"
        f" mlcore run {version.pipeline} --at {iso(version.window_end + config.data.label.delay)}",
    )


def _ancestors(rebuilder: Rebuilder, observer: Observer | None) -> tuple[Step, ...]:
    """Models that the version went on from, and that were removed since: made again, the oldest first."""
    session, lost = rebuilder.session, list[tuple[Artifact, Sequence[Made]]]()
    lineage = rebuilder.lineage
    while gone := _gone_start(session, lineage):
        lineage = trace(session, gone.id)
        lost.append((gone, lineage))
        rebuilder.again[gone.id] = f"it {why_removed(session, gone) or 'is gone'}"
    steps: list[Step] = []
    for model, made in reversed(lost):
        try:
            steps += _steps(replace(rebuilder, lineage=made), observer)
        except MlcoreError as error:
            raise VersionGone(
                f"the model {model.digest} that the version went on from {why_removed(session, model) or 'is gone'},"
                f" and cannot be made again: {error.what}",
                where=model.uri,
                next_step=error.next_step,
            ) from error
    return tuple(steps)


def _gone_start(session: Session, lineage: Sequence[Made]) -> Artifact | None:
    """The model that a lineage's trainer went on from, if its files are gone."""
    for one in lineage:
        for artifact in started_from(one.execution, one.inputs):
            try:
                session.artifacts.verify(artifact)
            except ArtifactMissing:
                return artifact
    return None


def _steps(rebuilder: Rebuilder, observer: Observer | None) -> Iterator[Step]:
    """What an earlier lineage has made already is not made twice."""
    made = [one for one in rebuilder.lineage if not rebuilder.has(one)]
    for _, group in groupby(sorted(made, key=lambda one: (_stage(one), _first_moment(one))), key=_stage):
        stage = list(group)
        if observer is not None:
            observer.started(stage[0].execution.component, sum(len(one.outputs) for one in stage))
        step = rebuilder.step(stage)
        _LOG.info("%s: %d outputs, %d differ", step.component, step.outputs, len(step.different))
        if observer is not None:
            observer.finished(step)
        yield step


def _stage(one: Made) -> tuple[int, str, str, str]:
    execution = one.execution
    parameters: Mapping[str, Json] = execution.parameters
    return one.level, execution.component, one.node, digest_json(dict(parameters))


def _first_moment(one: Made) -> tuple[str, int]:
    """Spans in the order of time, as a run works on them."""
    spans = [artifact.span for found in one.inputs.values() for artifact in found if artifact.span is not None]
    return iso(min(span.start for span in spans)) if spans else "", one.execution.id


@contextmanager
def _folder(session: Session, keep: Path | None) -> Iterator[Path]:
    """Where things are rebuilt: below the scratch folder, from which ``mlcore gc`` removes what a kill left behind."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    folder = session.scratch / f"reproduce-{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
