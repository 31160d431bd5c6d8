"""The stores of one installation, opened together."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlcore.artifacts.store import ArtifactStore
from mlcore.config.settings import Settings
from mlcore.errors import MetadataUnavailable
from mlcore.metadata.store import MetadataStore
from mlcore.registry.store import Registry

UNDATED = "undated"
"""The folder in a pipeline's extracts for rows that are of no span."""


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

    @property
    def working(self) -> tuple[Path, ...]:
        """Where folders are made for the time of a piece of work."""
        extracts = sorted(path for path in self.extracts.glob("*") if path.is_dir())
        return (Path(tempfile.gettempdir()), *extracts, *(path / UNDATED for path in extracts))


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
