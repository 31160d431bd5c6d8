"""Data sets and jobs by OpenLineage's naming.

| what                             | namespace              | name                                |
|----------------------------------|------------------------|-------------------------------------|
| a table of PostgreSQL            | postgres://host:port   | database.schema.table               |
| local files                      | file                   | /absolute/path                      |
| files of a bucket                | s3://bucket            | key                                 |
| artifacts of a pipeline          | as the artifact store  | .../<pipeline>/<Type>[/<candidate>] |
| verdicts of a gate               | as the artifact store  | .../<pipeline>/Blessing/<gate>      |
| an alias                         | as the artifact store  | .../<pipeline>/aliases/<alias>      |

A data set is what stays the same from run to run; what differs is its version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlcore.config.sources import PostgresSource, Source
from mlcore.core.digests import digest_json
from mlcore.core.patterns import WILDCARD
from mlcore.core.types import Artifact, ArtifactType, Json

_DEFAULT_PORT = 5432
_VARYING = re.compile(rf"^(?:[\w-]+=)?(?:\{{|{WILDCARD.pattern})")
"""A folder or file that is named after a span, as in ``{YYYY}``, ``year={YYYY}`` and ``*.csv``."""


@dataclass(frozen=True, order=True, slots=True)
class DatasetName:
    """What a data set is called by everybody who reads or writes it."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SourceData:
    """A data set that spans are read from, and its columns with their types; none where they are not known."""

    name: DatasetName
    columns: Mapping[str, str] = field(default_factory=dict)


def place_name(place: str) -> DatasetName:
    """A path or URL of files; who may read it and how is no part of its name.

    >>> place_name("s3://lake/flights/2013"), place_name("/data/flights")
    (DatasetName(namespace='s3://lake', name='flights/2013'), DatasetName(namespace='file', name='/data/flights'))
    >>> place_name("https://me:secret@example.com/flights?token=1")
    DatasetName(namespace='https://example.com', name='flights')
    """
    place = place.removeprefix("file://")
    scheme, separator, rest = place.partition("://")
    if not separator:
        return DatasetName("file", place)
    authority, _, path = rest.partition("/")
    if scheme in ("http", "https"):
        path = re.split(r"[?#]", path, maxsplit=1)[0]
    return DatasetName(f"{scheme}://{authority.rpartition('@')[2]}", path or "/")


def source_name(source: Source, root: Path) -> DatasetName:
    """The data set that spans are read from. Only what stands in the pipeline's file is named: ``${NAME}`` stays so."""
    if isinstance(source, PostgresSource):
        return _table_name(source)
    return files_name(source.path, root)


def files_name(pattern: str, root: Path) -> DatasetName:
    """The data set of a pattern of files; a relative one starts at ``root``."""
    pattern = pattern.removeprefix("file://")
    if "://" not in pattern and not pattern.startswith("/"):
        pattern = str(root / pattern)
    return place_name(_unvarying(pattern))


def _unvarying(pattern: str) -> str:
    """The folder above what varies with the span; where a file's name begins with letters, its pattern.

    >>> _unvarying("/data/flights/year={YYYY}/{MM}.csv"), _unvarying("/data/flights-{YYYY}.csv")
    ('/data/flights', '/data/flights-{YYYY}.csv')
    """
    parts = pattern.split("/")
    for index, part in enumerate(parts):
        if _VARYING.search(part):
            return "/".join(parts[:index]) or "/"
    return pattern


def _table_name(source: PostgresSource) -> DatasetName:
    namespace, database = _database(source)
    if source.table is None:
        return DatasetName(namespace, f"{database}query-{digest_json(source.query).removeprefix('sha256:')[:12]}")
    table = source.table.replace('"', "")
    return DatasetName(namespace, f"{database}{table if '.' in table else f'public.{table}'}")


def _database(source: PostgresSource) -> tuple[str, str]:
    """The server, and the database with a point after it; what a variable stands for is not told."""
    if source.connection is not None:
        return f"postgres://{source.connection}", ""
    url = source.url or ""
    if url.startswith("${"):
        return f"postgres://{url}", ""
    rest = url.partition("://")[2]
    authority, _, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    port = "" if re.search(r":[^:\]]+$", host) else f":{_DEFAULT_PORT}"
    database = unquote(path.partition("?")[0])
    return f"postgres://{host or 'localhost'}{port}", f"{database}." if database else ""


def artifact_name(store: DatasetName, artifact: Artifact, source: DatasetName, candidate: str = "") -> DatasetName:
    """The data set of which an artifact is a version.

    Args:
        store: Where the artifact store is.
        artifact: Of any type.
        source: The data set that the pipeline's source files are of.
        candidate: Whose it is, where a pipeline trains several models.
    """
    if artifact.type is ArtifactType.SOURCE_FILE:
        return source
    gate = str(artifact.properties.get("gate", "")) if artifact.type is ArtifactType.BLESSING else ""
    return below(store, artifact.pipeline, artifact.type.value, *(part for part in (candidate, gate) if part))


def alias_name(store: DatasetName, pipeline: str, alias: str) -> DatasetName:
    """The data set whose newest version is the model that an alias is at."""
    return below(store, pipeline, "aliases", alias)


def below(store: DatasetName, *parts: str) -> DatasetName:
    """A place in the artifact store."""
    return DatasetName(store.namespace, str(PurePosixPath(store.name, *parts)).removeprefix("./"))


def version_of(artifacts: list[Artifact]) -> str:
    """One version for the artifacts of a data set: the content of the one, or of all in their order."""
    if len(artifacts) == 1:
        return artifacts[0].digest
    digests: list[Json] = [one.digest for one in artifacts]
    return digest_json(digests)


def masked_url(url: str) -> str:
    """An address as it may be shown: without user, password and what follows a question mark.

    >>> masked_url("https://me:secret@host:5000/api?key=1")
    'https://host:5000/api'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
