"""The proof that a lineage file holds an event of everything our store knows, and no other of the pipeline's.

An endpoint cannot be asked what it holds: of it, what it has not taken, or refused, is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from mlcore.config.lineage import Lineage
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.types import Execution
from mlcore.errors import TrackingError
from mlcore.metadata.deliveries import Ledger
from mlcore.runtime.interop.lineage import Facts, due_events
from mlcore.runtime.session import Session
from mlcore.tracking.openlineage.destinations import Destination, FileDestination
from mlcore.tracking.openlineage.records import Event, EventKey

_BATCH = 500
Name = tuple[str, str]
"""Id of the run, and kind of the event."""
Core = tuple[Any, ...]
"""What of an event must be as recorded: moment, job and data sets in their versions. What files say may be gone."""


@dataclass(slots=True)
class Held:
    """The pipeline's events in a file.

    Attributes:
        torn: Lines that are no JSON: what was being written when a process or a disk gave up.
        repeated: Lines that are there more than once.
    """

    events: dict[Name, set[Core]] = field(default_factory=dict)
    torn: int = 0
    repeated: int = 0


def check(
    session: Session,
    config: PipelineConfig,
    given: Lineage,
    destination: Destination,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[str, ...]:
    """Every difference, in words; none: what was to be told is told.

    Args:
        session: Our stores.
        config: The pipeline.
        given: Its block.
        destination: Where its events go.
        tell: Told how far it is, and what is odd but no difference.

    Raises:
        TrackingError: The file cannot be read.
    """
    if isinstance(destination, FileDestination):
        return tuple(_file_differences(session, config, given, destination.path, tell))
    with session.metadata.begun() as connection:
        refused = Ledger(connection, config.name, destination.key).refused()
    waiting = due_events(session, config, given, destination, limit=None, read=False)
    return (
        *(f"the {kind} of {subject} {subject_id} was refused: {why}" for subject, subject_id, kind, why in refused),
        *(f"{_in_words(event.key)} was not delivered" for event in waiting),
    )


def _file_differences(
    session: Session, config: PipelineConfig, given: Lineage, path: Path, tell: Callable[[str], None]
) -> Iterator[str]:
    held = read_held(path, given.namespace, config.name)
    if held.torn:
        tell(
            f"{held.torn} lines of {path} are no JSON: they were torn, and what they began is there whole or told below"
        )
    if held.repeated:
        tell(f"{held.repeated} lines of {path} are there again, which changes nothing")
    expected: set[Name] = set()
    for event in _recorded(session, config, given):
        name, core = _name(event.document), _core(event.document)
        expected.add(name)
        if name not in held.events:
            yield f"{_in_words(event.key)} is missing"
        elif held.events[name] != {core}:
            yield f"{_in_words(event.key)} is there as something else"
    for run, kind in sorted(held.events.keys() - expected):
        yield f"the {kind} of run {run} is there, and not ours"


def _recorded(session: Session, config: PipelineConfig, given: Lineage) -> Iterator[Event]:
    """Every event there should be, without what is in files."""
    facts = Facts(session, config, given, read=False)
    with session.metadata.begun() as connection:
        executions = Ledger(connection, config.name, "").all_executions()
    for batch in _batches(executions):
        yield from facts.of_executions(batch)
    yield from facts.of_moves(session.registry.history(config.name))


def _batches(executions: Iterable[Execution]) -> Iterator[list[Execution]]:
    left = iter(executions)
    while batch := list(islice(left, _BATCH)):
        yield batch


def read_held(path: Path, namespace: str, pipeline: str) -> Held:
    """What a file holds of a pipeline; others may write to it, too.

    Raises:
        TrackingError: It is there, and cannot be read.
    """
    held = Held()
    lines: set[bytes] = set()
    try:
        with path.open("rb") as file:
            for line in file:
                _read(line, held, lines, namespace, pipeline)
    except FileNotFoundError:
        return held
    except OSError as error:
        raise TrackingError(
            f"the lineage file cannot be read: {error.strerror or error}", where=str(path), next_step="see who may"
        ) from error
    return held


def _read(line: bytes, held: Held, lines: set[bytes], namespace: str, pipeline: str) -> None:
    try:
        document = json.loads(line)
        job = document["job"]
        if job["namespace"] != namespace or str(job["name"]).partition(".")[0] != pipeline:
            return
        name, core = _name(document), _core(document)
    except (ValueError, TypeError, KeyError):
        held.torn += bool(line.strip())
        return
    held.repeated += line in lines
    lines.add(line)
    held.events.setdefault(name, set()).add(core)


def _name(document: Mapping[str, Any]) -> Name:
    return str(document["run"]["runId"]), str(document["eventType"])


def _core(document: Mapping[str, Any]) -> Core:
    return (
        document["eventTime"],
        document["job"]["name"],
        *(tuple(_dataset(one) for one in document[side]) for side in ("inputs", "outputs")),
    )


def _dataset(document: Mapping[str, Any]) -> tuple[str, str, str]:
    return document["namespace"], document["name"], document["facets"]["version"]["datasetVersion"]


def _in_words(key: EventKey) -> str:
    return f"the {key.kind.value} of {key.subject.value} {key.id}"
