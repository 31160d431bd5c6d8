"""Push destinations and the MLflow mirror brought level with the registry, and the proof that they are.

The registry's transaction is the only commit point. What follows it is brought level after every move, by the next run
and by ``mlcore models publish``; that a place cannot be reached is told, and fails nothing that is committed.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.config.destinations import DestinationConfig
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import digest_json
from mlcore.core.window import iso
from mlcore.errors import DestinationError, MlcoreError, quoted
from mlcore.registry.names import CHAMPION, PREVIOUS
from mlcore.registry.records import AliasMove, ModelVersion, reign
from mlcore.runtime.release.telling import Occasion, tell_of
from mlcore.runtime.session import Session
from mlcore.runtime.waiting import waiting

if TYPE_CHECKING:
    from mlcore.deployment.destinations.base import Contents, Destination, Pointer, Release

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Followed:
    """What came of one destination.

    Attributes:
        place: What it is called, without secrets.
        said: What was done, or how it differs, in words.
        error: Why it is not level; empty where it is.
    """

    place: str
    said: str = ""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class _Truth:
    """The registry's side of one pipeline, read at one moment."""

    pipeline: str
    history: Sequence[AliasMove]
    versions: dict[int, ModelVersion]

    @classmethod
    def read(cls, session: Session, pipeline: str) -> _Truth:
        history = session.registry.history(pipeline)  # before the versions: each that a move names is among them
        versions = {one.version: one for one in session.registry.versions(pipeline)}
        return cls(pipeline=pipeline, history=history, versions=versions)

    @property
    def registry(self) -> str:
        """Tells this registry from others: its first version was made in no other one at that moment."""
        first = self.versions[min(self.versions)]
        return digest_json([self.pipeline, iso(first.created_at), first.created_at.microsecond, first.digest])[-16:]

    def pointer(self, alias: str, format_: str) -> Pointer:
        from mlcore.deployment.destinations.base import Pointer, release_name

        sequence, number = self._placed(alias)
        if number is None:
            return Pointer(pipeline=self.pipeline, alias=alias, sequence=sequence, registry=self.registry)
        digest = self.versions[number].digest
        return Pointer(
            pipeline=self.pipeline,
            alias=alias,
            sequence=sequence,
            registry=self.registry,
            version=number,
            digest=digest,
            release=release_name(number, digest, format_),
        )

    def _placed(self, alias: str) -> tuple[int, int | None]:
        """The newest move of an alias, and where it went; ``previous`` moves with the champion."""
        moves = [move for move in self.history if move.alias == (CHAMPION if alias == PREVIOUS else alias)]
        if not moves:
            return 0, None
        if alias != PREVIOUS:
            return moves[-1].id, moves[-1].to_version
        known = ((one.kind, one.to_version, self.versions[one.to_version]) for one in moves if one.to_version)
        before = reign((kind, number, version.train_end) for kind, number, version in known).champions[:-1]
        return moves[-1].id, before[-1] if before else None


def level(
    session: Session,
    config: PipelineConfig,
    *,
    take_over: bool = False,
    occasion: Occasion | None = None,
    tell: Callable[[str], None] = _LOG.info,
) -> tuple[Followed, ...]:
    """Bring every destination of a pipeline's file to what the registry says; what fails keeps no other from it.

    May be killed at any moment, and done again. Whoever levels the same destination already is waited for. People are
    told of one that cannot be brought level, once, and when it is again.

    Args:
        session: The stores.
        config: The pipeline.
        take_over: See :func:`mlcore.deployment.destinations.levelling.bring_level`.
        occasion: Which run it is done in, for the alert.
        tell: Told what was done.
    """
    found = []
    for entry in config.push.destinations:
        try:
            said = _level(session, config, entry, take_over=take_over)
        except Exception as error:  # of whatever class: a destination may be anybody's code
            found.append(Followed(place=entry.shown, error=_told(error, entry, session)))
        else:
            tell(f"{entry.shown}: {said}")
            found.append(Followed(place=entry.shown, said=said))
    if found:
        tell_of(session, config, found, occasion or Occasion())
    return tuple(found)


def level_after(session: Session, config: PipelineConfig, occasion: Occasion | None = None) -> tuple[Followed, ...]:
    """:func:`level` after something that is committed: what cannot be brought level is a warning.

    Returns:
        The destinations that are not level.
    """
    behind = tuple(one for one in level(session, config, occasion=occasion) if one.error)
    for one in behind:
        _LOG.warning(
            "the registry is as it should be, destination %s is not level yet: %s\n"
            "  the next run tries again, and so does: mlcore models publish %s",
            one.place,
            one.error,
            config.name,
        )
    return behind


def check(session: Session, config: PipelineConfig) -> tuple[Followed, ...]:
    """How every destination differs from what the registry says, down to the bytes of every file; writes nothing."""
    from mlcore.deployment.destinations.levelling import differences

    found = []
    for entry in config.push.destinations:
        try:
            destination = _opened(session, config, entry)
            wanted = _wanted(_Truth.read(session, config.name), entry, destination)
            wrong = "; ".join(differences(destination, wanted))
        except Exception as error:  # as above
            wrong = _told(error, entry, session)
        found.append(Followed(place=entry.shown, said="" if wrong else "equal", error=wrong))
    return tuple(found)


def _level(session: Session, config: PipelineConfig, entry: DestinationConfig, *, take_over: bool) -> str:
    from mlcore.deployment.destinations.base import Overtaken
    from mlcore.deployment.destinations.levelling import bring_level

    destination = _opened(session, config, entry)
    destination.deadline = time.monotonic() + entry.max_wait.total_seconds()
    with session.metadata.exclusive([f"destination {config.name} {entry.shown}"], on_wait=waiting):
        for attempt in range(1, _ATTEMPTS + 1):
            # Read under the lock: of two levellings the later knows all that the earlier knew.
            truth = _Truth.read(session, config.name)
            wanted = _wanted(truth, entry, destination)

            def release_of(pointer: Pointer, truth: _Truth = truth) -> Release:
                return _release(session, config, truth.versions[pointer.version or 0], pointer, destination)

            try:
                return str(bring_level(destination, wanted, release_of, take_over=take_over))
            except Overtaken:  # by somebody who lost the lock with the database, or has another one
                if attempt == _ATTEMPTS:
                    raise
    raise AssertionError("an attempt returns or raises")


def _opened(session: Session, config: PipelineConfig, entry: DestinationConfig) -> Destination:
    from mlcore.deployment.destinations.plugins import open_destination

    return open_destination(entry, pipeline=config.name, variables=session.variables, project=session.project)


def _wanted(truth: _Truth, entry: DestinationConfig, destination: Destination) -> tuple[Pointer, ...]:
    """Nothing where nothing was registered yet: then there is no registry to tell from others."""
    return tuple(truth.pointer(alias, destination.format) for alias in entry.aliases) if truth.versions else ()


def _release(
    session: Session, config: PipelineConfig, version: ModelVersion, pointer: Pointer, destination: Destination
) -> Release:
    from mlcore.deployment.destinations.base import Contents, Release
    from mlcore.runtime.release.exchange import contents

    @contextmanager
    def opened() -> Iterator[Contents]:
        about, files = contents(session, version)
        if destination.format == "mlcore":
            yield Contents(about=about, files=files)
            return
        with tempfile.TemporaryDirectory(prefix="mlcore-release-") as scratch:
            yield Contents(about=about, files=_as_mlflow(session, config, version, Path(scratch)))

    return Release(
        name=pointer.release, pipeline=version.pipeline, version=version.version, digest=version.digest, open=opened
    )


def _as_mlflow(
    session: Session, config: PipelineConfig, version: ModelVersion, folder: Path
) -> dict[str, Path | bytes]:
    """The files of a version in MLflow's format, written below a folder."""
    from mlcore.artifacts.digests import files_below, relative_name
    from mlcore.runtime.interop.mirror import Truth

    source = Truth(session, config).source(version)
    try:
        from mlcore.tracking.flavour import Ids, write_flavour

        write_flavour(folder, source, Ids(model_id=version.digest[-32:], run_id=None, location=""))
    except ImportError as error:
        raise DestinationError(
            "the MLflow format needs MLflow's client, which is not installed",
            where="push.destinations",
            next_step="pip install 'mlcore[mlflow]', or write format: mlcore",
        ) from error
    return {relative_name(file, folder): file for file in files_below(folder)}


def _told(error: Exception, entry: DestinationConfig, session: Session) -> str:
    """An error in words, without secrets."""
    from mlcore.deployment.destinations.plugins import masked

    if isinstance(error, MlcoreError):
        text = str(error)
    else:
        _LOG.debug("destination %s", entry.shown, exc_info=error)
        text = f"{type(error).__name__}: {quoted(str(error), 300)}"
    return masked(text, entry, session.variables)
