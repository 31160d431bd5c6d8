"""Where a server finds the models it serves: in the registry, or in a folder that follows it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from mlcore.config.pipeline import PipelineConfig
from mlcore.core.window import parse_moment
from mlcore.deployment.destinations.base import Pointer
from mlcore.deployment.destinations.plugins import filled
from mlcore.deployment.destinations.reader import Published, Shelf
from mlcore.errors import DestinationError, MlcoreError, quoted
from mlcore.registry.records import ModelVersion
from mlcore.runtime.kept import kept_folder
from mlcore.runtime.session import Session


class ModelSource(Protocol):
    """Says which version a name means now, and brings its files."""

    def find(self, name: str | int) -> ModelVersion:
        """A version by an alias or its number.

        Raises:
            NoChampion: There is none.
            MlcoreError: It cannot be told.
        """

    def aliases(self) -> Mapping[str, int]:
        """The version of every alias."""

    @contextmanager
    def files(self, version: ModelVersion) -> Iterator[Path]:
        """The payload folder of a version's model, as long as the context.

        Raises:
            MlcoreError: It is not there, or is not what it was.
        """
        yield Path()


class RegistrySource:
    """The registry itself, and the artifact store."""

    def __init__(self, session: Session, pipeline: str) -> None:
        self._session = session
        self._pipeline = pipeline

    def find(self, name: str | int) -> ModelVersion:
        return self._session.registry.find(self._pipeline, name)

    def aliases(self) -> Mapping[str, int]:
        return self._session.registry.aliases(self._pipeline)

    @contextmanager
    def files(self, version: ModelVersion) -> Iterator[Path]:
        (artifact,) = self._session.metadata.present([version.artifact_id])
        yield kept_folder(self._session, artifact)


class PublishedSource:
    """A folder or a bucket of ``push.destinations``: neither database nor project has to be there.

    A model's files are copied to this machine, checked byte by byte, and audited when they are loaded, as any are.
    """

    def __init__(self, url: str, pipeline: str) -> None:
        self._shelf = Shelf(url, pipeline)
        self._pipeline = pipeline
        self._found: dict[str, Published] = {}

    @classmethod
    def of(cls, url: str, pipeline: str, variables: Mapping[str, str]) -> PublishedSource:
        """The source of a path or URL, in which ``${NAME}`` is filled in.

        Raises:
            ConfigError: A variable is not set, or the URL is of a kind that nothing is published to.
        """
        return cls(str(filled(url, variables)), pipeline)

    def find(self, name: str | int) -> ModelVersion:
        with _told(self._pipeline):
            return _version(self._published(self._pointer(str(name))), self._pipeline)

    def aliases(self) -> Mapping[str, int]:
        with _told(self._pipeline):
            return {alias: found.version or 0 for alias, found in self._shelf.pointers().items()}

    @contextmanager
    def files(self, version: ModelVersion) -> Iterator[Path]:
        published = next(one for one in self._found.values() if one.pointer.digest == version.digest)
        with tempfile.TemporaryDirectory(prefix="mlcore-served-") as folder:
            with _told(self._pipeline):
                place = self._shelf.fetch(published, Path(folder))
            yield place

    def config(self, name: str) -> PipelineConfig:
        """The pipeline's file as it was when the version was registered.

        Raises:
            DestinationError: This release of mlcore cannot read it.
        """
        with _told(self._pipeline):
            published = self._published(self._pointer(name))
        try:
            return PipelineConfig.model_validate(published.about["config"])
        except (KeyError, ValidationError) as error:
            raise DestinationError(
                f"the pipeline's file in release {published.pointer.release} cannot be read",
                next_step="serve it with the release of mlcore that registered it",
            ) from error

    def _pointer(self, name: str) -> Pointer:
        if not name.isdecimal():
            return self._shelf.pointer(name)
        for pointer in self._shelf.pointers().values():
            if pointer.version == int(name):
                return pointer
        raise DestinationError(
            f"no alias that is published leads to version {name} of {self._pipeline}",
            next_step=f"one of: {', '.join(self._shelf.pointers()) or 'none is'}",
        )

    def _published(self, pointer: Pointer) -> Published:
        """What it leads to; a release never changes, so that it is read once."""
        if pointer.release not in self._found:
            published = self._shelf.release(pointer)
            named = {one.release for one in self._shelf.pointers().values()}
            self._found = {name: found for name, found in self._found.items() if name in named}
            self._found[pointer.release] = published
        return self._found[pointer.release]


def _version(published: Published, pipeline: str) -> ModelVersion:
    about: Mapping[str, Any] = published.about
    try:
        return ModelVersion(
            pipeline=pipeline,
            version=published.pointer.version or 0,
            artifact_id=0,  # which means nothing here
            evaluation_id=0,
            digest=published.pointer.digest,
            train_start=parse_moment(str(about["train_start"])),
            train_end=parse_moment(str(about["train_end"])),
            window_end=parse_moment(str(about["window_end"])),
            run=str(about["run"]),
            created_at=parse_moment(str(about["registered"])),
        )
    except KeyError as error:
        raise DestinationError(
            f"the manifest of release {published.pointer.release} lacks {error}",
            next_step=f"mlcore models publish {pipeline}",
        ) from error


@contextmanager
def _told(pipeline: str) -> Iterator[None]:
    """What a file system outside this process raises may be of any class."""
    try:
        yield
    except MlcoreError:
        raise
    except Exception as error:
        raise DestinationError(
            f"what is published of {pipeline} cannot be read: {type(error).__name__}: {quoted(str(error), 300)}",
            next_step="see that it can be reached, and with which credentials",
        ) from error
