"""What a version was built with, and what is otherwise here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mlcore.core.types import Json
from mlcore.errors import ArtifactError, ArtifactMissing
from mlcore.registry.records import ModelVersion
from mlcore.runtime.environment import (
    REQUIREMENTS_FILE,
    Environment,
    environment_artifact,
    present_environment,
    read_environment,
)
from mlcore.runtime.kept import why_removed
from mlcore.runtime.session import Session


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A version's environment lock beside the environment of this process.

    Attributes:
        environment: None where there is no lock, or none that can be read.
        project: The folder that may hold a lock file.
        missing: Why there is none, in words.
        folder: Where it lies; none where it was never recorded.
    """

    version: ModelVersion
    environment: Environment | None
    project: Path
    missing: str = ""
    folder: Path | None = None

    @cached_property
    def present(self) -> Environment:
        """The environment of this process, when it is first asked for."""
        return present_environment(self.project)

    @property
    def differences(self) -> tuple[str, ...]:
        """What is otherwise here, in words."""
        return () if self.environment is None else self.environment.differences(self.present)

    @property
    def commit(self) -> str:
        """The commit that it was built from, and the present one where that is another; empty where none is known."""
        was = "" if self.environment is None else self.environment.commit
        now = self.present.commit
        return was if not was or not now or was == now else f"{was}, now {now}"

    @property
    def install(self) -> str:
        """How to install what it was built with; empty where that is not known."""
        if self.environment is None:
            return ""
        if self.environment.lock and self.environment.lock == self.present.lock:
            return f"requirements.lock of this project, for {self.environment.python}"
        return f"{self.command} > built-with.txt && pip install --no-deps -r built-with.txt"

    @property
    def command(self) -> str:
        """Which prints the lock."""
        return f"mlcore models lock {self.version.pipeline} {self.version.version}"

    def requirements(self) -> str:
        """What pip installs again.

        Raises:
            ArtifactMissing: There is no lock, or it is gone.
        """
        try:
            if self.folder is None or self.environment is None:
                raise FileNotFoundError
            return (self.folder / REQUIREMENTS_FILE).read_text(encoding="utf-8")
        except OSError as error:
            raise ArtifactMissing(
                f"what version {self.version.version} of {self.version.pipeline} was built with cannot be told: "
                + (self.missing or f"{REQUIREMENTS_FILE} cannot be opened: {error.strerror or error}"),
                where=str(self.folder or f"artifact {self.version.artifact_id}"),
                next_step="`mlcore models list` names the versions whose files are there",
            ) from error

    def to_document(self) -> dict[str, Json]:
        """For programs."""
        return {
            "environment": None if self.environment is None else self.environment.to_document(),
            "environment_missing": self.missing,
            "environment_differences": list(self.differences),
        }


def find_lock(session: Session, version: ModelVersion) -> Lock:
    """The lock beside a version's model; why there is none where there is none."""
    recorded = environment_artifact(session, version.artifact_id)
    found = Lock(version=version, environment=None, project=session.project)
    if recorded is None:
        return replace(found, missing="its environment lock was not recorded")
    folder = session.artifacts.path(recorded.uri)
    try:
        return replace(found, environment=read_environment(folder), folder=folder)
    except ArtifactError as error:
        why = why_removed(session, recorded) or f"cannot be read: {error.what}"
        return replace(found, missing=f"its environment lock {why}", folder=folder)
