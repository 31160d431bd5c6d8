"""Where events go: a file that several processes append to at once, or an HTTP endpoint.

Both take the same event again: a consumer knows a run by its id, and a reader of the file by the line.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from mlcore import __version__
from mlcore.config.lineage import Lineage
from mlcore.core.digests import canonical_json, digest_json
from mlcore.errors import ConfigError, TrackingError, quoted
from mlcore.masking import conceal_named
from mlcore.tracking.openlineage.names import masked_url
from mlcore.tracking.openlineage.records import Event, EventKey

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DEFAULT_PATH = "/api/v1/lineage"
_ERROR_LIMIT = 300
_REFUSED = frozenset({400, 413, 414, 422})
"""What an endpoint says of an event that it will never take; all else may be cured, and the event waits."""
_FILE_PORTION, _HTTP_PORTION = 500, 10
_WAIT = "it is sent with the next run, or by: mlcore lineage sync"


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What became of events that were handed over.

    Attributes:
        taken: Those that are there, whatever happens now.
        refused: Why the destination will never take an event, by its key.
        error: Why it took no more; the others wait.
    """

    taken: tuple[EventKey, ...] = ()
    refused: Mapping[EventKey, str] = field(default_factory=dict)
    error: TrackingError | None = None


class Destination(Protocol):
    """Takes events in their order."""

    @property
    def key(self) -> str:
        """Tells it from others; holds no secret."""

    @property
    def shown(self) -> str:
        """For people; holds no secret."""

    @property
    def portion(self) -> int:
        """How many events it is given at once."""

    def send(self, events: Sequence[Event]) -> Taken: ...


def destination_of(given: Lineage, home: Path, environ: Mapping[str, str]) -> Destination:
    """Where a pipeline's events go.

    Args:
        given: The pipeline's block, or the project's.
        home: What a relative path starts at.
        environ: What ``${NAME}`` stands for.

    Raises:
        ConfigError: A variable is not set, or is no HTTP address.
    """
    if given.file is not None:
        return FileDestination(home / given.file)
    assert given.url is not None  # the configuration has one of them
    url = _with_path(_filled(given.url, environ, "lineage.url"))
    return HttpDestination(
        url=url,
        token=_filled(given.token, environ, "lineage.token") if given.token else "",
        timeout_seconds=given.timeout.total_seconds(),
        named=given.url,
    )


def _filled(text: str, environ: Mapping[str, str], where: str) -> str:
    for name in _VARIABLE.findall(text):
        if not environ.get(name):
            raise ConfigError(
                f"the environment variable {name} is not set",
                where=where,
                next_step=f"set {name} for the command line and for Airflow's workers and scheduler",
            )
    conceal_named(text, environ)
    return _VARIABLE.sub(lambda match: environ[match[1]], text)


def _with_path(url: str) -> str:
    """Raises ``ConfigError``, which does not quote it, where it is no HTTP address."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known or "@" in parts.netloc or not url.isascii() or any(letter.isspace() for letter in url):
        raise ConfigError(
            "lineage.url is no HTTP address without user and password",
            where="lineage.url",
            next_step="write http://host:5000, and give a token with lineage.token: ${NAME}",
        )
    return url if parts.path.strip("/") else parts._replace(path=_DEFAULT_PATH).geturl()


def line_of(event: Event) -> bytes:
    """An event as a line of a file: equal events are equal lines."""
    return canonical_json(event.document) + b"\n"


@dataclass(frozen=True, slots=True)
class FileDestination:
    """JSON Lines. Lines are appended whole and brought to the disk, by one process at a time."""

    path: Path
    portion: int = _FILE_PORTION

    @property
    def key(self) -> str:
        return digest_json(["file", str(self.path)])

    @property
    def shown(self) -> str:
        return str(self.path)

    def send(self, events: Sequence[Event]) -> Taken:
        """Append; a line that a killed process or a full disk left without its end is ended first."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _append(self.path, b"".join(line_of(event) for event in events))
        except OSError as error:
            reason = TrackingError(
                f"the lineage file cannot be written: {error.strerror or error}",
                where=str(self.path),
                next_step=f"make room or give the right to write; {_WAIT}",
            )
            return Taken(error=reason)
        return Taken(taken=tuple(event.key for event in events))


def _append(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # free again when this process ends, however it ends
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        _write_all(descriptor, b"\n" * torn + lines)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


class _NoRedirects(HTTPRedirectHandler):
    """A POST that is sent elsewhere would become a GET: the address is wrong, and that is said."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpDestination:
    """An endpoint that takes one event a request, as Marquez does.

    Attributes:
        url: Its address.
        token: Sent as a bearer token; empty: none is.
        timeout_seconds: For connecting, and for every wait for an answer.
        named: The address as the pipeline's file has it, which is what is shown.
    """

    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    timeout_seconds: float = 3.0
    named: str = ""
    portion: int = _HTTP_PORTION

    @property
    def key(self) -> str:
        return digest_json(["http", masked_url(self.url)])

    @property
    def shown(self) -> str:
        return self.named or masked_url(self.url)

    def send(self, events: Sequence[Event]) -> Taken:
        """Post one after the other, until one is not answered."""
        taken: list[EventKey] = []
        refused: dict[EventKey, str] = {}
        for event in events:
            try:
                self._post(canonical_json(event.document))
            except HTTPError as error:
                with error:
                    said = f"HTTP {error.code} {error.reason}: {error.read(_ERROR_LIMIT)!r}"
                if error.code not in _REFUSED:
                    return Taken(taken=tuple(taken), refused=refused, error=self._failed(said))
                refused[event.key] = self._hidden(said)
            except (OSError, HTTPException, ValueError) as error:
                return Taken(taken=tuple(taken), refused=refused, error=self._failed(str(error)))
            taken.append(event.key)
        return Taken(taken=tuple(taken), refused=refused)

    def _post(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"mlcore/{__version__}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310 - its scheme is checked
        with build_opener(_NoRedirects).open(request, timeout=self.timeout_seconds) as answer:
            answer.read(_ERROR_LIMIT)

    def _failed(self, said: str) -> TrackingError:
        return TrackingError(
            f"the lineage endpoint did not take an event: {quoted(self._hidden(said), limit=_ERROR_LIMIT)}",
            where=self.shown,
            next_step=_WAIT,
        )

    def _hidden(self, text: str) -> str:
        """What was said, without what stands for a variable: an endpoint may repeat what it was sent."""
        for secret in (self.token, self.url if self.named != self.url else ""):
            text = text.replace(secret, "***") if secret else text
        return text[:_ERROR_LIMIT]
