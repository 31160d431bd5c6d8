"""The settings of an installation, read from the environment once, by entry points.

MLCORE_PROJECT        the folder that holds config/ and dags/         default: the working directory
MLCORE_HOME           everything that is written                      default: <project>/.mlcore
MLCORE_DATABASE_URL   PostgreSQL for metadata and registry            default: embedded, under MLCORE_HOME
MLCORE_ARTIFACTS      fsspec URL of the artifact store                default: <home>/artifacts
MLCORE_TRUSTED_KEYS   public key, or a folder of them, that           default: signatures are not asked for
                      imported models must be signed by
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlcore.masking import conceal_environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where this installation keeps things.

    ``database_url`` may hold a password, and so may ``variables``, what ``${NAME}`` in a pipeline file stands for:
    they are left out of ``repr``.
    """

    project: Path
    home: Path
    artifacts: str
    database_url: str | None = field(default=None, repr=False)
    trusted_keys: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of an environment; what is secret in it is no longer told by this process's errors and logs."""
        conceal_environment(environ)
        project = Path(environ.get("MLCORE_PROJECT") or ".").resolve()
        home = Path(environ.get("MLCORE_HOME") or project / ".mlcore")
        home = home if home.is_absolute() else project / home
        return cls(
            project=project,
            home=home,
            artifacts=environ.get("MLCORE_ARTIFACTS") or str(home / "artifacts"),
            database_url=environ.get("MLCORE_DATABASE_URL") or None,
            trusted_keys=project / environ["MLCORE_TRUSTED_KEYS"] if environ.get("MLCORE_TRUSTED_KEYS") else None,
            variables=dict(environ),
        )

    @property
    def pipelines(self) -> Path:
        return self.project / "config" / "pipelines"
