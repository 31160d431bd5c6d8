"""What a source in a database holds now, span by span: its spans are kept as files, and from there on are like others.

    <home>/extracts/<pipeline>/
    ├── 2024-01-02-1f0c9a3b7d52.arrow    the rows, sorted by data.key; named after their digest
    ├── 2024-01-02.json                  which file it is, what was read, and the span's mark in the database
    └── undated/                         rows without an event timestamp, which are of no span: quarantine.parquet

A span is read again only when its mark in the database changed. The folder is a cache: what is deleted is read again.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.pipeline import PipelineConfig
from mlcore.config.sources import PostgresSource
from mlcore.core.digests import digest_json
from mlcore.core.temporary import temporary_folder
from mlcore.core.types import Json
from mlcore.core.window import EPOCH, Span, iso
from mlcore.runtime.session import UNDATED, Session
from mlcore.runtime.sources.files import Absent, Found, file_stamp

if TYPE_CHECKING:
    from mlcore.ingest.postgres.extract import Request
    from mlcore.ingest.postgres.survey import Survey

_LOG = logging.getLogger(__name__)
_SUPERSEDED_SECONDS = 86_400.0
"""So long a file is kept after its span changed: a run that is under way may still read it."""

_Facts = Mapping[str, Json]


def find_extracts(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> list[Found | Absent]:
    """The spans, in their order. Those that are new or changed are read, all in one pass and from one snapshot.

    Raises:
        ConfigError: The source does not have the columns, or the server refuses the connection.
        DataError: The database cannot be read.
    """
    from mlcore.ingest.postgres.extract import count_spans

    request, folder = _request(session, config, spans), session.extracts / config.name
    counted = count_spans(request)
    _keep_undated(config, request, folder, counted)
    facts: dict[Span, _Facts] = {}
    stale: dict[Span, _Facts] = {}
    for span, now in zip(spans, counted.spans, strict=True):
        wanted: _Facts = {"of": _identity(config, span), "mark": now.mark}
        kept = _kept(folder, span)
        if now.rows and wanted.items() <= kept.items():
            facts[span] = kept
        elif now.rows:
            stale[span] = wanted
    if stale:
        facts |= _read(request, folder, stale)
    place = str(request.address)
    return [
        _found(folder, span, facts[span]) if span in facts else Absent(span=span, place=place, reason="have no rows")
        for span in spans
    ]


def undated_folder(session: Session, pipeline: str) -> Path:
    """Where the quarantine of the rows lies that are of no span; there is none where there are no such rows."""
    return session.extracts / pipeline / UNDATED


def _keep_undated(config: PipelineConfig, request: Request, folder: Path, counted: Survey) -> None:
    """Put rows without an event timestamp into quarantine, once for what they are now."""
    from mlcore.ingest.postgres.undated import extract_undated
    from mlcore.ingest.quarantine import FILE_NAME

    kept = folder / UNDATED
    if not counted.undated:
        shutil.rmtree(kept, ignore_errors=True)
        return
    name = config.data.event_timestamp
    _LOG.warning("%d rows have no %s and are of no span: mlcore data quarantine %s", counted.undated, name, config.name)
    wanted = {"of": _identity(config, None), "mark": counted.undated_mark}
    facts = kept / "undated.json"
    if facts.is_file() and (kept / FILE_NAME).is_file() and json.loads(facts.read_text(encoding="utf-8")) == wanted:
        return
    kept.mkdir(parents=True, exist_ok=True)
    with temporary_folder("reading", within=kept) as temporary:
        extract_undated(request, temporary)
        (temporary / facts.name).write_text(json.dumps(wanted), encoding="utf-8")
        for file in (FILE_NAME, facts.name):
            (temporary / file).replace(kept / file)


def _request(session: Session, config: PipelineConfig, spans: Sequence[Span]) -> Request:
    from mlcore.ingest.columns import column_types
    from mlcore.ingest.postgres.address import address_of
    from mlcore.ingest.postgres.extract import Request

    data = config.data
    assert isinstance(data.source, PostgresSource)
    return Request(
        source=data.source,
        address=address_of(data.source, session.variables),
        columns=column_types(data),
        event_timestamp=data.event_timestamp,
        key=data.key,
        spans=tuple(spans),
    )


def _kept(folder: Path, span: Span) -> dict[str, Json]:
    """What is known of a span's file; nothing where there is none."""
    try:
        facts: dict[str, Json] = json.loads(_facts_path(folder, span).read_text(encoding="utf-8"))
        return facts if (folder / str(facts["file"])).is_file() else {}
    except (OSError, ValueError, KeyError):
        return {}


def _read(request: Request, folder: Path, stale: Mapping[Span, _Facts]) -> dict[Span, _Facts]:
    """Read spans and keep them; killed at any moment, what is not kept whole is read again."""
    from mlcore.ingest.postgres.extract import extract

    folder.mkdir(parents=True, exist_ok=True)
    read: dict[Span, _Facts] = {}
    with temporary_folder("reading", within=folder) as temporary:
        result = extract(replace(request, spans=tuple(stale)), temporary / "spans")
        for staged in result.spans:
            name = f"{staged.span.label}-{staged.digest.removeprefix('sha256:')[:12]}.arrow"
            if not (folder / name).is_file():
                staged.path.replace(folder / name)
            facts = {**stale[staged.span], "file": name, "digest": staged.digest, "rows": staged.rows}
            written = staged.path.with_suffix(".json")
            written.write_text(json.dumps(facts), encoding="utf-8")
            written.replace(_facts_path(folder, staged.span))
            _remove_superseded(folder, staged.span, name)
            read[staged.span] = facts
    rows = sum(staged.rows for staged in result.spans)
    _LOG.info("%d spans with %d rows read from %s", len(stale), rows, request.address)
    return read


def _remove_superseded(folder: Path, span: Span, name: str) -> None:
    for path in folder.glob(f"{span.label}-????????????.arrow"):
        if path.name != name and time.time() - path.stat().st_mtime > _SUPERSEDED_SECONDS:
            path.unlink(missing_ok=True)


def _found(folder: Path, span: Span, facts: _Facts) -> Found:
    path = folder / str(facts["file"])
    return Found(
        span=span,
        uri=str(path),
        version=0,
        stamp=file_stamp(path),
        delivered=EPOCH + timedelta(microseconds=path.stat().st_mtime_ns // 1000),
        digest=lambda: str(facts["digest"]),
    )


def _identity(config: PipelineConfig, span: Span | None) -> str:
    """What decides a span's rows besides the database's content; neither who reads them nor how."""
    data = config.data
    assert isinstance(data.source, PostgresSource)
    columns: Json = [[name, kind] for name, kind in data.columns.items()]
    relation: list[Json] = [data.source.table, data.source.query]
    bounds: list[Json] = [] if span is None else [iso(span.start), iso(span.end)]
    return digest_json([*relation, columns, data.event_timestamp, list(data.key), *bounds])


def _facts_path(folder: Path, span: Span) -> Path:
    return folder / f"{span.label}.json"
