"""A destination to what it must show, whatever it shows now; and how far it is from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mlcore.deployment.destinations.base import Destination, Pointer, Release
from mlcore.errors import DestinationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Levelled:
    """What had to be done.

    Attributes:
        releases: How many had to be written.
        moves: What each pointer that had to be moved shows now.
        removed: How many old releases.
    """

    releases: int = 0
    moves: tuple[Pointer, ...] = ()
    removed: int = 0

    def __str__(self) -> str:
        said = [f"{self.releases} releases written"] if self.releases else []
        said += [f"{move.alias} {move}" for move in self.moves]
        said += [f"{self.removed} old releases removed"] if self.removed else []
        return ", ".join(said) or "nothing was missing"


def bring_level(
    destination: Destination,
    wanted: Sequence[Pointer],
    release_of: Callable[[Pointer], Release],
    *,
    take_over: bool = False,
) -> Levelled:
    """Write the releases that are missing, then move the pointers, then remove what is old.

    Killed anywhere, every pointer leads to a whole release, and doing it again does the rest. A pointer never goes back
    to an earlier move: one that knows less than the place shows changes nothing.

    Args:
        destination: The place.
        wanted: A pointer an alias that it is to show.
        release_of: The release that a pointer names.
        take_over: Replace pointers that another registry left, or this one in a future that was lost with a backup.

    Raises:
        DestinationError: The place is ahead of ``wanted``, follows another registry, or what it raises.
        Overtaken: Somebody moved a pointer meanwhile.
    """
    with destination.exclusive():
        shown = destination.state()
        pointers = [*wanted, *_withdrawn(wanted, shown)]
        due = [one for one in pointers if not _shows(shown.get(one.alias), one)]
        if not take_over:
            for pointer in pointers:
                _check_behind(shown.get(pointer.alias), pointer)
        releases = {one.release: one for one in pointers if one.version is not None}
        written = sum(destination.publish(release_of(pointer)) for pointer in releases.values())
        for pointer in due:
            destination.point(pointer, shown.get(pointer.alias))
        return Levelled(releases=written, moves=tuple(due), removed=destination.tidy(releases.keys()))


def differences(destination: Destination, wanted: Sequence[Pointer]) -> Iterator[str]:
    """How a destination differs from what it must show, in words; nothing: it is level, down to every byte."""
    shown = destination.state()
    for pointer in [*wanted, *_withdrawn(wanted, shown)]:
        found = shown.get(pointer.alias)
        if not _shows(found, pointer):
            whose = "" if found is None or _same_registry(found, pointer) else " of another registry"
            yield f"{pointer.alias} is {'not there' if found is None else found}{whose}, and belongs {pointer}"
        if pointer.version is not None:
            yield from destination.flaws(pointer)


def _withdrawn(wanted: Sequence[Pointer], shown: Mapping[str, Pointer]) -> Iterator[Pointer]:
    """Aliases that the place shows and the pipeline's file does not name any more are to be nowhere."""
    if not wanted:
        return
    named = {pointer.alias for pointer in wanted}
    for alias, found in sorted(shown.items()):
        if alias not in named:
            registry = wanted[0].registry
            yield Pointer(pipeline=wanted[0].pipeline, alias=alias, sequence=found.sequence, registry=registry)


def _shows(found: Pointer | None, pointer: Pointer) -> bool:
    """Where there never was anything, nothing need be shown."""
    return found == pointer or (found is None and pointer.version is None)


def _same_registry(found: Pointer, pointer: Pointer) -> bool:
    return (found.registry, found.pipeline) == (pointer.registry, pointer.pipeline)


def _check_behind(found: Pointer | None, pointer: Pointer) -> None:
    if found is None:
        return
    take_over = f"if this registry is to be followed from now on: mlcore models publish {pointer.pipeline} --take-over"
    if not _same_registry(found, pointer):
        raise DestinationError(
            f"it follows another registry, whose {found.alias} of {found.pipeline} is {found}",
            next_step=f"name another place; or, {take_over}",
        )
    if found.sequence > pointer.sequence:
        raise DestinationError(
            f"it is ahead: its {found.alias} is {found}, a move that the registry has not made",
            next_step=f"was the database restored from a backup? {take_over}",
        )
