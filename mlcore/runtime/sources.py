"""Which source files a window reads, in which version: recorded by content digest, hashed only when they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlcore.artifacts.store import digest_file
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Artifact, ArtifactType, NewArtifact
from mlcore.core.window import Span
from mlcore.ingest.paths import existing_paths
from mlcore.runtime.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    span: Span
    path: Path
    size_bytes: int
    mtime_ns: int


def source_files(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> tuple[Artifact, ...]:
    """The source file of every span as a recorded artifact, in span order.

    A file whose size and modification time are those of its newest recorded version is not read again.

    Raises:
        SpanMissing: Files are not there; the message says which and how many.
    """
    found = _find(session, config, spans)
    known = session.metadata.newest_sources(config.name, [str(file.path) for file in found])
    changed = [file for file in found if not _is(known.get(str(file.path)), file)]
    registered = session.metadata.register_sources([_new(config, file) for file in changed])
    known |= {artifact.uri: artifact for artifact in registered}
    return tuple(known[str(file.path)] for file in found)


def _find(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> list[_Found]:
    paths = existing_paths(config.data.source, spans, session.project)
    return [_status(span, path) for span, path in zip(spans, paths, strict=True)]


def _status(span: Span, path: Path) -> _Found:
    status = path.stat()
    return _Found(span=span, path=path, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def _is(artifact: Artifact | None, file: _Found) -> bool:
    return artifact is not None and (
        artifact.properties.get("size_bytes"),
        artifact.properties.get("mtime_ns"),
    ) == (file.size_bytes, file.mtime_ns)


def _new(config: PipelineConfig, file: _Found) -> NewArtifact:
    return NewArtifact(
        type=ArtifactType.SOURCE_FILE,
        uri=str(file.path),
        digest=digest_file(file.path),
        pipeline=config.name,
        span=file.span,
        properties={"size_bytes": file.size_bytes, "mtime_ns": file.mtime_ns},
    )
