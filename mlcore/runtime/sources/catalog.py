"""Which source data a window reads, in which version: recorded by content digest, hashed only when it changed.

What a source holds now is told by its finder (:mod:`mlcore.runtime.sources.files`, or another that gives ``Found`` and
``Absent``); what it held before is recorded. A run reads the version that its moment knew, whose Examples are in the
artifact store when its bytes are long gone from the source.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from mlcore.config.pipeline import PipelineConfig
from mlcore.config.sources import PostgresSource
from mlcore.core.digests import digest_json
from mlcore.core.types import Artifact, ArtifactType, Json, NewArtifact
from mlcore.core.window import Span, iso, parse_moment
from mlcore.errors import VersionGone
from mlcore.ingest.divisions import Divisions
from mlcore.metadata import sources as records
from mlcore.runtime.session import Session
from mlcore.runtime.sources.contents import digests_of
from mlcore.runtime.sources.extracts import find_extracts
from mlcore.runtime.sources.files import Absent, Found, find_files, stamp_now
from mlcore.runtime.sources.versions import Version, known_version

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceSpans:
    """What there is of the spans asked for.

    Attributes:
        artifacts: The version to read of each span that is there, in span order.
        absent: The others.
    """

    artifacts: tuple[Artifact, ...]
    absent: tuple[Absent, ...]


def source_spans(
    session: Session, config: PipelineConfig, spans: Sequence[Span], as_of: datetime, divisions: Divisions
) -> SourceSpans:
    """The recorded version of every span that a run as of a moment reads; what is new at the source is recorded.

    A file whose size and times, or ETag, are those of its recorded version is not read. Of a file of many spans that
    was written since, each is a version by its own rows, and what was read to tell it is in ``divisions``.
    """
    looked = _find(session, config, spans)
    source = source_name(config)
    with session.metadata.begun() as connection:
        recorded = records.versions(connection, config.name, source, spans)
        last = _last_seen(connection, recorded)
    there = [found for found in looked if isinstance(found, Found)]
    present = _record(session, config, there, recorded, last, divisions)
    several = {span: _ordered(found, present.get(span)) for span, found in recorded.items()}
    several |= {span: [artifact] for span, artifact in present.items() if span not in several}
    chosen = _choose(session, config, several, as_of)
    absent = tuple(found for found in looked if isinstance(found, Absent) and found.span not in chosen)
    return SourceSpans(artifacts=tuple(chosen[span] for span in spans if span in chosen), absent=absent)


def recorded_spans(
    session: Session, config: PipelineConfig, spans: Sequence[Span], as_of: datetime
) -> dict[Span, Artifact]:
    """The version of each recorded span that a run as of a moment reads; the source itself is not looked at."""
    with session.metadata.begun() as connection:
        recorded = records.versions(connection, config.name, source_name(config), spans)
        last = _last_seen(connection, recorded)
    return _choose(session, config, {span: _ordered(found, last[span]) for span, found in recorded.items()}, as_of)


def _last_seen(connection: Connection, recorded: Mapping[Span, Sequence[Artifact]]) -> dict[Span, Artifact]:
    """Of each span the version that was found last, whatever the clocks said."""
    several = [version.id for found in recorded.values() if len(found) > 1 for version in found]
    seen = records.sightings(connection, several) if several else {}
    return {span: max(found, key=lambda one: seen.get(one.id, 0)) for span, found in recorded.items()}


def source_name(config: PipelineConfig) -> str:
    """What the versions of a span are versions of: another path is another source."""
    source = config.data.source
    if isinstance(source, PostgresSource):
        return f"{source.type}:{source.table or digest_json(source.query)}"
    return f"{source.type}:{source.path}"


def _find(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> list[Found | Absent]:
    source, data = config.data.source, config.data
    if isinstance(source, PostgresSource):
        return find_extracts(session, config, spans)
    return find_files(source, spans, session.project, grain=data.span, marker=data.complete.marker)


def _record(
    session: Session,
    config: PipelineConfig,
    found: Sequence[Found],
    recorded: Mapping[Span, Sequence[Artifact]],
    last: Mapping[Span, Artifact],
    divisions: Divisions,
) -> dict[Span, Artifact]:
    """The artifact of what each span is now; that another than the ``last`` is there again is recorded, too."""
    known: dict[Span, Artifact] = {}
    changed: list[NewArtifact] = []
    unknown: list[Found] = []
    for now in found:
        same = [version for version in recorded.get(now.span, ()) if _is(version, now)]
        if not same:
            unknown.append(now)
        elif same[-1].id == last[now.span].id:
            known[now.span] = same[-1]
        else:
            changed.append(_again(same[-1]))
    digests = digests_of(session, config, unknown, divisions)
    changed += [_new(config, now, digests[now.span], recorded.get(now.span, ())) for now in unknown]
    for artifact in session.metadata.register_sources(changed):
        assert artifact.span is not None
        known[artifact.span] = artifact
    return known


def _is(artifact: Artifact, found: Found) -> bool:
    properties = artifact.properties
    return artifact.uri == found.uri and all(properties.get(key) == value for key, value in found.stamp.items())


def _new(config: PipelineConfig, found: Found, digest: str, recorded: Sequence[Artifact]) -> NewArtifact:
    earlier = [version for version in recorded if (version.uri, version.digest) == (found.uri, digest)]
    delivered = earlier[-1].properties.get("delivered") if earlier else iso(found.delivered)
    properties: dict[str, Json] = {
        **found.stamp,
        "source": source_name(config),
        "version": found.version,
        "delivered": delivered,
    }
    return NewArtifact(
        type=ArtifactType.SOURCE_FILE,
        uri=found.uri,
        digest=digest,
        pipeline=config.name,
        span=found.span,
        properties=properties,
    )


def _again(version: Artifact) -> NewArtifact:
    return NewArtifact(
        type=version.type,
        uri=version.uri,
        digest=version.digest,
        pipeline=version.pipeline,
        span=version.span,
        properties=version.properties,
    )


def _ordered(recorded: Sequence[Artifact], present: Artifact | None) -> list[Artifact]:
    """Oldest first: by the source's own number, then as they were seen; what is there now is the newest."""
    rest = [version for version in recorded if present is None or version.id != present.id]
    ordered = sorted(rest, key=lambda version: (_number(version), version.id))
    return ordered if present is None else [*ordered, present]


def _number(version: Artifact) -> int:
    """The source's own, ``{VERSION}``; 0 where it has none."""
    return int(str(version.properties.get("version", 0)))


def _choose(
    session: Session, config: PipelineConfig, versions: dict[Span, list[Artifact]], as_of: datetime
) -> dict[Span, Artifact]:
    chosen = {span: found[-1] for span, found in versions.items()}
    several = {span: found for span, found in versions.items() if len(found) > 1}
    if not several:
        return chosen
    ids = [version.id for found in several.values() for version in found]
    with session.metadata.begun() as connection:
        settled = records.settled(connection, ids)
        examples = records.examples(connection, ids)
    for span, found in several.items():
        whole = [one for one in found if one.id not in examples or is_complete(config, examples[one.id])] or found[-1:]
        known = known_version([_version(one) for one in whole], settled, as_of)
        chosen[span] = next(one for one in whole if one.id == known.id)
        if chosen[span] != found[-1]:
            _LOG.info(
                "span %s was corrected later: as of %s it is what was first seen at %s",
                span.label,
                iso(as_of),
                iso(chosen[span].created_at),
            )
    return chosen


def _version(artifact: Artifact) -> Version:
    delivered = artifact.properties.get("delivered")
    return Version(
        id=artifact.id,
        first_seen=artifact.created_at,
        delivered=artifact.created_at if delivered is None else parse_moment(str(delivered)),
    )


CHECKED = (ArtifactType.EXAMPLES, ArtifactType.INFERENCE_EXAMPLES)
"""What ``data.complete`` says something of."""


def is_complete(config: PipelineConfig, examples: Artifact) -> bool:
    """Whether a span's Examples hold what ``data.complete`` asks for."""
    rule, rows, empty = config.data.complete, examples.properties.get("rows"), examples.properties.get("empty")
    enough = not isinstance(rows, int) or rows >= rule.min_rows
    return enough and not (isinstance(empty, list) and set(rule.columns) & set(empty))


def check_present(source: Artifact) -> None:
    """Check that a source still holds the version that was recorded: it is about to be read, or was just now.

    Raises:
        VersionGone: It does not.
        DataError: It cannot be told.
    """
    stamp = stamp_now(source.uri)
    if not stamp or any(source.properties.get(key) != value for key, value in stamp.items()):
        label = source.span.label if source.span else ""
        raise VersionGone(
            f"the version of span {label} that was first seen at {iso(source.created_at)} cannot be read:"
            f" the file was {'overwritten' if stamp else 'removed'}, and its Examples are not in the artifact store",
            where=source.uri,
            next_step="put that version of the file back and run again; or run with a later moment (--at),"
            " which reads the version that is there now",
        )
