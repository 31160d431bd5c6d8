"""What was installed where a model was made: its environment lock, an artifact beside the model.

    environment/
    ├── environment.json    commit, Python, platform, linear algebra, instructions, lock file, every distribution
    └── requirements.txt    the distributions, as pip and uv install them: all that is needed, so ``--no-deps``

It is no part of the model's digest, or equal models of two machines would be two versions.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import mlcore
from mlcore.artifacts.digests import digest_file
from mlcore.core.digests import canonical_json
from mlcore.core.types import Artifact, Json
from mlcore.errors import ArtifactCorrupt, ArtifactError, ArtifactMissing, quoted
from mlcore.runtime.session import Session

_LOG = logging.getLogger(__name__)

ENVIRONMENT = "environment"
"""Output name of every execution that makes a model."""

ENVIRONMENT_FILE = "environment.json"
REQUIREMENTS_FILE = "requirements.txt"
LOCK_FILE = "requirements.lock"
_SHOWN = 8
_OWN = "mlcore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """One environment.

    Attributes:
        mlcore: Version of this library.
        commit: Of its code, where that is a git checkout; empty where it is not. What was not committed is not told.
        python: Implementation and version, for instance ``CPython 3.11.9``.
        platform: System, processor family and C library.
        blas: The linear algebra libraries loaded: name, version, and the processor they chose their code for.
        simd: The vector instructions that NumPy and Arrow use here: with others, the last bits of logarithms and sums
            may be others.
        lock: Digest of the project's ``requirements.lock``; empty where there is none.
        distributions: Version by name of everything installed.
        origins: By name, of what was not installed from a package index, where it came from: an address that pip
            installs again, or in words where there is none.
    """

    mlcore: str
    commit: str
    python: str
    platform: str
    blas: tuple[str, ...]
    simd: tuple[str, ...]
    lock: str
    distributions: Mapping[str, str]
    origins: Mapping[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, Json]:
        """For programs."""
        lists: dict[str, Json] = {"blas": list(self.blas), "simd": list(self.simd)}
        return {**asdict(self), **lists, "distributions": dict(self.distributions), "origins": dict(self.origins)}

    @classmethod
    def from_json(cls, data: bytes) -> Environment:
        """Parse what was written.

        Raises:
            ArtifactCorrupt: It is something else.
        """
        try:
            document: dict[str, Any] = {"origins": {}, **json.loads(data)}
            known = {name.name: document[name.name] for name in fields(cls)}
            for key in ("distributions", "origins"):
                known[key] = {str(name): str(found) for name, found in known[key].items()}
            return cls(**{**known, **{name: tuple(map(str, known[name])) for name in ("blas", "simd")}})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactCorrupt(f"an environment lock cannot be read: {quoted(str(error))}") from error

    def differences(self, other: Environment, *, then: str = "now") -> tuple[str, ...]:
        """What is another in ``other``, in words: first what decides most.

        Args:
            other: Another.
            then: When that one is, or was, for the words.
        """
        own, others = asdict(self), asdict(other)
        found = [
            f"{name} {_told(own[name])}, {then} {_told(others[name])}"
            for name in ("mlcore", "python", "platform", "blas", "simd")
            if own[name] != others[name]
        ]
        names = sorted(self.distributions.keys() | other.distributions.keys())
        mine, theirs = self.distributions, other.distributions
        changed = [name for name in names if mine.get(name) != theirs.get(name) and name != _OWN]
        found += [f"{name} {mine.get(name, 'absent')}, {then} {theirs.get(name, 'absent')}" for name in changed]
        return tuple(found)


def present_environment(project: Path) -> Environment:
    """The environment of this process.

    Args:
        project: The folder that may hold the lock file.
    """
    lock = project / LOCK_FILE
    return Environment(
        mlcore=mlcore.__version__,
        commit=commit_of(Path(mlcore.__file__).parents[1]),
        python=python_version(),
        platform=" ".join(filter(None, (platform.system(), platform.machine(), *platform.libc_ver()))),
        blas=_blas(),
        simd=_simd(),
        lock=digest_file(lock) if lock.is_file() else "",
        **_installed(tuple(sys.path)),
    )


def write_environment(folder: Path, environment: Environment) -> None:
    """Write the lock into a folder that exists."""
    (folder / ENVIRONMENT_FILE).write_bytes(canonical_json(environment.to_document()))
    (folder / REQUIREMENTS_FILE).write_text("".join(f"{line}\n" for line in _required(environment)), encoding="utf-8")


def _required(environment: Environment) -> Iterator[str]:
    """Lines for pip and uv. This library itself is not on an index in the version that ran: its commit is named."""
    commit = f", commit {environment.commit}" if environment.commit else ""
    yield f"# {environment.python}, {environment.platform}; mlcore {environment.mlcore}{commit}"
    yield "# Everything is listed: install it with --no-deps into a fresh environment, and then mlcore itself."
    for name, version in environment.distributions.items():
        origin = environment.origins.get(name, "")
        if name == _OWN:
            continue
        if not origin:
            yield f"{name}=={version}"
        else:
            yield f"{name} @ {origin}" if "://" in origin else f"# {name} {version} was installed from {origin}"


def read_environment(folder: Path) -> Environment:
    """The lock of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: It is something else.
    """
    path = folder / ENVIRONMENT_FILE
    try:
        return Environment.from_json(path.read_bytes())
    except OSError as error:
        raise ArtifactMissing(f"cannot open an environment lock: {error.strerror or error}", where=str(path)) from error


def environment_artifact(session: Session, artifact_id: int) -> Artifact | None:
    """The lock that was published beside a model; none where it was made before there were any."""
    producer = session.metadata.producers([artifact_id]).get(artifact_id)
    found = session.metadata.outputs(producer.id).get(ENVIRONMENT) if producer is not None else None
    return found[0] if found else None


def recorded_environment(session: Session, artifact_id: int) -> Environment | None:
    """The lock beside a model; none where it was made before there were any, or where it cannot be read."""
    recorded = environment_artifact(session, artifact_id)
    if recorded is None:
        return None
    try:
        return read_environment(session.artifacts.path(recorded.uri))
    except ArtifactError as error:
        _LOG.warning("the environment lock of model %d cannot be read: %s", artifact_id, error)
        return None


def shortened(differences: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    more = len(differences) - _SHOWN
    return "; ".join(differences[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> dict[str, Any]:
    """The first of each name on Python's path is the one that is imported."""
    versions, origins = dict[str, str](), dict[str, str]()
    for distribution in distributions(path=list(path)):
        said = distribution.metadata
        name = str(said["Name"] or "").lower().replace("_", "-").replace(".", "-")
        if name and name not in versions:
            versions[name] = str(said["Version"] or "")
            origins[name] = "" if name == _OWN else _origin(distribution)
    return {
        "distributions": dict(sorted(versions.items())),
        "origins": {name: origin for name, origin in sorted(origins.items()) if origin},
    }


def _origin(distribution: Distribution) -> str:
    """Where something came from that was not installed by its name: what installers note (PEP 610)."""
    try:
        noted: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
    except (OSError, ValueError):
        return ""
    url, repository = _without_user(str(noted.get("url", ""))), noted.get("vcs_info")
    if not url:
        return ""
    if isinstance(repository, dict):
        below = f"#subdirectory={noted['subdirectory']}" if noted.get("subdirectory") else ""
        return f"{repository.get('vcs')}+{url}@{repository.get('commit_id')}{below}"
    if "archive_info" in noted and not url.startswith("file:"):
        digest = (noted["archive_info"].get("hashes") or {}).get("sha256")
        return f"{url}#sha256={digest}" if digest else url
    return "a folder of that machine" if "dir_info" in noted else "a file of that machine"


def _without_user(url: str) -> str:
    """An address without who may read it; ``git@`` is no secret, and needed."""
    parts = urlsplit(url)
    user, found, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)) if found and user != "git" else url


def _blas() -> tuple[str, ...]:
    """Those of NumPy and SciPy, and what else is loaded by now."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    found = (
        (info.get("internal_api"), info.get("version"), info.get("architecture"))
        for info in threadpool_info()
        if info.get("user_api") == "blas"
    )
    return tuple(sorted({" ".join(str(part) for part in parts if part) for parts in found}))


def _simd() -> tuple[str, ...]:
    import numpy as np
    import pyarrow as pa

    config: Any = np.show_config(mode="dicts")  # told of this processor, not of the one it was built on
    extensions = config.get("SIMD Extensions", {})
    groups = " ".join([*extensions.get("baseline", ()), *extensions.get("found", ())])
    return f"numpy {groups}", f"arrow {pa.runtime_info().simd_level}"


@cache
def processor() -> str:
    """What decides the last bits of floats where something runs: kind of processor, linear algebra, instructions.

    What libraries are loaded makes no difference: it is the same before and after a model is fitted.
    """
    from threadpoolctl import threadpool_info

    instructions = _simd()  # which loads NumPy, and that its linear algebra
    kernels = {str(info["architecture"]) for info in threadpool_info() if info.get("architecture")}
    return ", ".join([platform.machine(), *(f"blas for {name}" for name in sorted(kernels)), *instructions])


def python_version() -> str:
    """Implementation and version, for instance ``CPython 3.11.9``."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def commit_of(folder: Path) -> str:
    """The commit that a git checkout is at; empty where the folder is none. Git itself is not asked."""
    git = folder / ".git"
    try:
        if git.is_file():  # of a worktree
            git = folder / git.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        reference = head.partition("ref: ")[2]
        return _resolved(git, reference) if reference else head
    except (OSError, ValueError):
        return ""


def _resolved(git: Path, reference: str) -> str:
    shared = git / "commondir"
    common = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
    loose = common / reference
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()
    lines = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split(" ", 1)[0] for line in lines if line.endswith(f" {reference}")), "")


def _told(value: Any) -> str:
    return str(value) if isinstance(value, str) else ", ".join(map(str, value)) or "none"
