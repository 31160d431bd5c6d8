"""Source data that was read before, where it lies now: at its recorded place, or where the project has it today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlcore.components.base import Payload
from mlcore.config.pipeline import PipelineConfig
from mlcore.config.sources import PostgresSource
from mlcore.core.types import SPAN_FRAGMENT, Artifact
from mlcore.core.window import Span
from mlcore.errors import DataError
from mlcore.ingest.places import digest_of, list_files
from mlcore.runtime.session import Session
from mlcore.runtime.sources.extracts import find_extracts
from mlcore.runtime.sources.files import Absent, Found, find_files, stamp_now


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """One recorded version of a span's source data.

    Attributes:
        payload: What is there now, be it that version or another; none where there is nothing.
        absent: Why there is none, in words.
    """

    recorded: Artifact
    payload: Payload | None
    absent: str = ""

    @property
    def label(self) -> str:
        return "" if self.recorded.span is None else self.recorded.span.label

    def is_other(self) -> bool:
        """Whether what is there is told to be another version; reads it. What cannot be told counts as another."""
        if self.payload is None:
            return True
        uri, properties = self.payload.artifact.uri, self.recorded.properties
        try:
            stamp = stamp_now(uri) if uri == self.recorded.uri else {}
            if stamp and all(properties.get(key) == value for key, value in stamp.items()):
                return False
            path = uri.split(SPAN_FRAGMENT, 1)[0]
            return SPAN_FRAGMENT in uri or digest_of(path, list_files(path)) != self.recorded.digest
        except DataError:
            return True


def find_originals(session: Session, config: PipelineConfig, recorded: Sequence[Artifact]) -> list[Original]:
    """Where each recorded version is looked for, in their order.

    A file is taken from its recorded place. What is not there any more is looked for where the pipeline's file says
    that its span is, in the project's folder: a fresh clone beside the same stores has its data elsewhere.
    """
    found = {artifact.id: _at_its_place(session, artifact) for artifact in recorded}
    moved = [artifact for artifact in recorded if found[artifact.id] is None and artifact.span is not None]
    for artifact, original in zip(moved, _elsewhere(session, config, moved), strict=True):
        found[artifact.id] = original
    return [found[artifact.id] or Original(recorded=artifact, payload=None, absent="gone") for artifact in recorded]


def _at_its_place(session: Session, artifact: Artifact) -> Original | None:
    try:
        if not stamp_now(artifact.uri):
            return None
    except DataError:
        return None
    payload = Payload(artifact=artifact, path=session.artifacts.path(artifact.uri))
    return Original(recorded=artifact, payload=payload)


def _elsewhere(session: Session, config: PipelineConfig, artifacts: Sequence[Artifact]) -> list[Original]:
    spans = [artifact.span for artifact in artifacts if artifact.span is not None]
    try:
        looked = _look(session, config, spans) if spans else []
    except DataError as error:
        return [Original(recorded=artifact, payload=None, absent=error.what) for artifact in artifacts]
    return [_original(session, artifact, found) for artifact, found in zip(artifacts, looked, strict=True)]


def _look(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> list[Found | Absent]:
    source, data = config.data.source, config.data
    if isinstance(source, PostgresSource):
        return find_extracts(session, config, spans)
    return find_files(source, spans, session.project, grain=data.span)


def _original(session: Session, artifact: Artifact, found: Found | Absent) -> Original:
    if isinstance(found, Absent):
        was = artifact.uri.split(SPAN_FRAGMENT, 1)[0]
        absent = f"its file is gone from {was}" + (f", and is not at {found.place}" if found.place != was else "")
        return Original(recorded=artifact, payload=None, absent=absent)
    path: Path = session.artifacts.path(found.uri)
    return Original(recorded=artifact, payload=Payload(artifact=replace(artifact, uri=found.uri), path=path))
