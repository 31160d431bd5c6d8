"""The stores of one installation, opened together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlcore.artifacts.store import ArtifactStore
from mlcore.config.settings import Settings
from mlcore.errors import MetadataUnavailable
from mlcore.metadata.store import MetadataStore
from mlcore.registry.store import Registry


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What a launch reads from and publishes to.

    Attributes:
        extracts: Where spans of databases are kept as files.
        scratch: Where work that was not ended keeps what another attempt can use, a folder a fingerprint.
        variables: What ``${NAME}`` in a pipeline file stands for.
    """

    metadata: MetadataStore
    registry: Registry
    artifacts: ArtifactStore
    project: Path
    extracts: Path
    scratch: Path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """Open the stores that ``settings`` name, and close them.

    Raises:
        MetadataUnavailable: No database is named, or it cannot be reached.
    """
    if settings.database_url is None:
        raise MetadataUnavailable(
            "no metadata database is named", next_step="set MLCORE_DATABASE_URL, or start the platform with mlcore up"
        )
    metadata = MetadataStore.open(settings.database_url)
    try:
        yield Session(
            metadata=metadata,
            registry=Registry(metadata),
            artifacts=ArtifactStore(settings.artifacts),
            project=settings.project,
            extracts=settings.home / "extracts",
            scratch=settings.home / "scratch",
            variables=settings.variables,
        )
    finally:
        metadata.close()
