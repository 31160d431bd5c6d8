"""What a destination is: it holds releases, and shows by a pointer an alias which of them is meant."""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from mlcore.core.digests import canonical_json, is_digest
from mlcore.core.types import Json
from mlcore.errors import DestinationError, quoted

FORMAT = 1
_RELEASE = re.compile(r"[0-9]+-[0-9a-f]{12}(-[a-z]+)?")
_SHORT = 12


def release_name(version: int, digest: str, format_: str = "mlcore") -> str:
    """What a release is called: equal names are equal models in an equal format.

    >>> release_name(4, "sha256:1f0a2b3c4d5e6f")
    '4-1f0a2b3c4d5e'
    """
    suffix = "" if format_ == "mlcore" else f"-{format_}"
    return f"{version}-{digest.rpartition(':')[2][:_SHORT]}{suffix}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointer:
    """Which release an alias means.

    Attributes:
        sequence: Of the move of the alias that put it there; a later move has a greater one, a rollback's too.
        registry: Tells the registry that is followed from others; numbers of theirs mean nothing here.
        version: Of the model; ``None`` where the alias is nowhere.
        digest: Of the model.
        release: Its name; empty where the alias is nowhere.
    """

    pipeline: str
    alias: str
    sequence: int
    registry: str
    version: int | None = None
    digest: str = ""
    release: str = ""

    def to_json(self) -> bytes:
        return canonical_json({"format": FORMAT, **asdict(self)}) + b"\n"

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> Self:
        """Parse what :meth:`to_json` wrote.

        Raises:
            DestinationError: It is something else.
        """
        try:
            document = json.loads(data)
            if document.pop("format") != FORMAT:
                raise ValueError("it is of another release of mlcore")
            found = cls(**document)
            found._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DestinationError(
                f"a pointer cannot be read: {quoted(str(error))}",
                where=where,
                next_step="remove it if nobody needs it, then: mlcore models publish <pipeline>",
            ) from error
        return found

    def _check(self) -> None:
        """That it is one; a release's name becomes a path."""
        texts = (self.pipeline, self.alias, self.registry, self.digest, self.release)
        if not all(isinstance(text, str) for text in texts) or type(self.sequence) is not int:
            raise ValueError("a field is of another type")
        if self.version is None:
            if self.release or self.digest:
                raise ValueError("it is nowhere, and names a release")
        elif type(self.version) is not int or not is_digest(self.digest) or not _RELEASE.fullmatch(self.release):
            raise ValueError("it names no release")

    def __str__(self) -> str:
        at = "at nothing" if self.version is None else f"at version {self.version} ({self.release})"
        return f"{at} by move {self.sequence}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a release holds.

    Attributes:
        about: What it is, as the manifest of an exported version says it.
        files: By name; their bytes, or where they are.
    """

    about: Mapping[str, Json]
    files: Mapping[str, Path | bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A model version that a destination is to hold.

    Attributes:
        open: Its contents, made when they are asked for: a destination that holds it already asks for none. Files
            are there as long as the context.
    """

    name: str
    pipeline: str
    version: int
    digest: str
    open: Callable[[], AbstractContextManager[Contents]]


class Overtaken(DestinationError):
    """A pointer is not what it was: somebody else moved it meanwhile."""


class Destination(ABC):
    """A place that follows the registry.

    A subclass is made with the pipeline's name and the options of its entry in ``push.destinations``, in which
    ``${NAME}`` is filled in: they may hold secrets. What it raises never fails a push; it is told, without secrets.

    Attributes:
        format: In which releases are to be written: ``mlcore`` or ``mlflow``.
        deadline: When levelling is to give up, in seconds of the monotonic clock; ``None`` for never.
    """

    format: str = "mlcore"
    deadline: float | None = None

    def __init__(self, pipeline: str, options: Mapping[str, Json]) -> None:
        self.pipeline = pipeline
        self.options = options

    @abstractmethod
    def state(self) -> Mapping[str, Pointer]:
        """The pointers that it shows, by alias."""

    @abstractmethod
    def publish(self, release: Release) -> bool:
        """Hold a release, whole or not at all; returns whether it had to be written. May be repeated."""

    @abstractmethod
    def point(self, pointer: Pointer, found: Pointer | None) -> None:
        """Show a pointer in place of ``found``, in one step: readers see the one or the other.

        Raises:
            Overtaken: It is not ``found`` that is shown.
        """

    def tidy(self, needed: Set[str]) -> int:
        """Remove old releases whose names are not among those needed; returns how many."""
        del needed
        return 0

    def flaws(self, pointer: Pointer) -> Iterator[str]:
        """What is wrong, in words, with the release that a pointer names; reads every byte of it."""
        del pointer
        yield from ()

    def exclusive(self) -> AbstractContextManager[None]:
        """Keeps others of this machine from writing meanwhile, where the place can; the database's lock is held."""
        return nullcontext()

    def in_time(self) -> None:
        """To be asked between steps that may be slow.

        Raises:
            DestinationError: The time is over.
        """
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise DestinationError(
                "levelling took longer than max_wait; what was written stays",
                next_step=f"mlcore models publish {self.pipeline} does the rest",
            )
