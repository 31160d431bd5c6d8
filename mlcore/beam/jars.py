"""Jars from Maven Central, on first use: each by its pinned SHA-256, into a folder that all jobs of a user share.

A file appears under its name whole and checked, or not at all. What was fetched before a failure stays, so that
trying again goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from mlcore.beam.quiet import import_beam
from mlcore.errors import EngineError, quoted

_LOG = logging.getLogger(__name__)
_LOCKS = Path(__file__).with_name("locks")
_AT_ONCE = 8
_SILENCE_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Jar:
    """One file: ``coordinates`` are Maven's group, artifact, version and, where there is one, classifier."""

    coordinates: str
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        return "-".join(self.coordinates.split(":")[1:]) + ".jar"

    @property
    def url_path(self) -> str:
        group, artifact, version, *_ = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class JarSet:
    """All that one Java program needs: its main class, and its class path in order."""

    about: str
    main: str
    jars: tuple[Jar, ...]


def pinned(name: str) -> JarSet | None:
    """The set whose checksums are in this package under ``name``, for instance ``flink-1.19``."""
    path = _LOCKS / f"{name}.json"
    if not path.is_file():
        return None
    lock = json.loads(path.read_bytes())
    jars = tuple(Jar(coordinates=row[0], size_bytes=row[1], sha256=row[2]) for row in lock["jars"])
    return JarSet(about=lock["about"], main=lock["main"], jars=jars)


def pinned_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _LOCKS.glob("*.json")))


def pinned_versions(kind: str) -> tuple[str, ...]:
    """Of one engine, for instance ``flink``, the oldest first."""
    versions = [name.removeprefix(f"{kind}-") for name in pinned_names() if name.startswith(f"{kind}-")]
    return tuple(sorted(versions, key=lambda version: [int(part) for part in version.split(".")]))


def default_cache() -> Path:
    return Path.home() / ".cache" / "mlcore" / "jars"


def fetch(
    jars: Sequence[Jar], cache: Path, *, repository: str | None = None, deadline_seconds: float | None = None
) -> list[Path]:
    """The jars' files, in order; those that are not in ``cache`` are downloaded, those that are not right anew.

    Args:
        jars: What is needed.
        cache: The folder to keep them in.
        repository: A Maven repository's URL; by default Maven Central's.
        deadline_seconds: Give up after so long; what came by then is kept.

    Raises:
        EngineError: The repository cannot be reached in time, has no such file, or has another one under its name.
    """
    missing = [jar for jar in jars if not _is_right(cache / jar.name, jar.sha256)]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        size_mb = sum(jar.size_bytes for jar in missing) / 1e6
        _LOG.info("downloading %d jars (%.0f MB) to %s, once", len(missing), size_mb, cache)
        end = None if deadline_seconds is None else time.monotonic() + deadline_seconds
        base = (repository or _maven_central()).rstrip("/")
        get = partial(_fetch_jar, cache=cache, base=base, end=end)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="jars") as pool:
            waiting = [pool.submit(get, jar) for jar in missing]
            try:
                for one in waiting:
                    one.result()
            finally:
                pool.shutdown(cancel_futures=True)
    return [cache / jar.name for jar in jars]


def fetch_url(url: str, sha256: str, cache: Path) -> Path:
    """One file by its URL and checksum.

    Raises:
        EngineError: As :func:`fetch`.
    """
    path = cache / f"{sha256[:16]}-{url.rsplit('/', 1)[-1]}"
    if not _is_right(path, sha256):
        cache.mkdir(parents=True, exist_ok=True)
        _LOG.info("downloading %s to %s, once", url, path)
        _download(url, path, sha256, None)
    return path


def _fetch_jar(jar: Jar, *, cache: Path, base: str, end: float | None) -> None:
    _download(f"{base}/{jar.url_path}", cache / jar.name, jar.sha256, end)


def _download(url: str, path: Path, sha256: str, end: float | None) -> None:
    if not url.startswith(("https://", "http://", "file://")):
        raise EngineError("a jar is fetched by http, https or file", where=quoted(url), next_step="correct the URL")
    digest = hashlib.sha256()
    part = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False)  # noqa: SIM115
    try:
        with part:
            _copy(url, _hashing(part, digest.update), end)
        if digest.hexdigest() != sha256:
            raise EngineError(
                f"a jar is not the one that was pinned: its SHA-256 is {digest.hexdigest()}, expected {sha256}",
                where=url,
                next_step="do not use it; look whether the repository or something on the way to it was changed",
            )
        Path(part.name).replace(path)
    except BaseException:
        Path(part.name).unlink(missing_ok=True)
        raise


def _hashing(file: IO[bytes], update: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def take(chunk: bytes) -> None:
        update(chunk)
        file.write(chunk)

    return take


def _copy(url: str, take: Callable[[bytes], None], end: float | None) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "mlcore"})  # noqa: S310 - the schemes are checked
    try:
        with closing(urllib.request.urlopen(request, timeout=_SILENCE_SECONDS)) as response:  # noqa: S310
            while chunk := response.read(_CHUNK_BYTES):
                if end is not None and time.monotonic() > end:
                    raise TimeoutError("it takes too long")
                take(chunk)
    except OSError as error:  # URLError and timeouts are OSErrors
        raise EngineError(
            f"a jar cannot be fetched: {quoted(str(error))}",
            where=url,
            next_step=(
                "run again where Maven Central can be reached (what was fetched is kept), or name a job server's jar "
                "that you have in beam.options.flink_job_server_jar or spark_job_server_jar"
            ),
        ) from error


def _is_right(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _maven_central() -> str:
    import_beam()
    from apache_beam.utils.subprocess_server import JavaJarServer

    return str(JavaJarServer.MAVEN_CENTRAL_REPOSITORY)
