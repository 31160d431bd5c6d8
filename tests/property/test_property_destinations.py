"""Whatever is pushed and rolled back, and wherever levellings fail or are killed: readers see whole versions, no
pointer goes back to an earlier move, and one more levelling shows what the registry says.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support.releases import Killed, at_every_line, ending_at, pointer, release_of

from mlcore.deployment.destinations.base import Pointer
from mlcore.deployment.destinations.folder import FolderDestination, place_of, read_pointers, release_flaws
from mlcore.deployment.destinations.levelling import bring_level, differences
from mlcore.errors import DestinationError

LINES = st.integers(0, 900)


class Following(RuleBasedStateMachine):
    """A registry of two aliases, a folder that follows them, and levellings that know the registry of some moment."""

    @initialize(keep=st.integers(1, 3))
    def start(self, keep: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.keep = keep
        self.sequence, self.newest = 0, 0
        self.aliases: dict[str, tuple[int | None, int]] = {"champion": (None, 0), "challenger": (None, 0)}
        self.known: list[tuple[Pointer, ...]] = []
        self.seen: dict[str, Pointer] = {}

    @property
    def wanted(self) -> tuple[Pointer, ...]:
        return tuple(pointer(version, sequence, alias) for alias, (version, sequence) in self.aliases.items())

    def move(self, alias: str, version: int | None) -> None:
        self.sequence += 1
        self.aliases[alias] = (version, self.sequence)

    @rule(alias=st.sampled_from(["champion", "challenger"]))
    def push(self, alias: str) -> None:
        self.newest += 1
        self.move(alias, self.newest)

    @precondition(lambda self: self.newest > 1)
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        self.move("champion", data.draw(st.integers(1, self.newest)))

    @rule()
    def remove(self) -> None:
        self.move("challenger", None)

    @rule()
    def read_registry(self) -> None:
        """Of a levelling that is to go on later, when the registry has moved on."""
        self.known.append(self.wanted)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def level_late(self, data: st.DataObject) -> None:
        wanted = data.draw(st.sampled_from(self.known))
        with suppress(DestinationError):  # it is ahead
            self.level(wanted)

    @rule()
    def level_now(self) -> None:
        self.level(self.wanted)
        assert list(differences(self.destination(), self.wanted)) == []

    @rule(line=LINES)
    def level_killed(self, line: int) -> None:
        try:
            with at_every_line(ending_at(line, Killed())):
                self.level(self.wanted)
        except Killed:
            pass

    @rule(line=LINES)
    def level_failed(self, line: int) -> None:
        try:
            with at_every_line(ending_at(line, OSError("no space left"))):
                self.level(self.wanted)
        except OSError:
            pass

    def destination(self) -> FolderDestination:
        return FolderDestination("tiny", {"url": str(self.folder), "keep": self.keep})

    def level(self, wanted: tuple[Pointer, ...]) -> None:
        bring_level(self.destination(), wanted, release_of)

    @invariant()
    def readers_see_whole_versions(self) -> None:
        if not hasattr(self, "folder"):
            return
        place = place_of(f"{self.folder}/tiny")
        shown = read_pointers(place)
        for alias, found in shown.items():
            assert found.sequence >= self.seen.get(alias, found).sequence
            if found.version is not None:
                assert list(release_flaws(place, found.release, found.digest)) == []
        assert self.seen.keys() <= shown.keys()
        self.seen = shown

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        self.level_now()
        left = {path.name for path in (self.folder / "tiny").iterdir()} if (self.folder / "tiny").exists() else set()
        needed = {one.release for one in self.wanted if one.version is not None}
        assert needed <= left
        assert len([name for name in left if name[0].isdigit()]) <= self.keep + len(needed)
        assert not [name for name in left if name.startswith(".unfinished")]
        shutil.rmtree(self.folder)


Following.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


class TestFollowing(Following.TestCase):  # type: ignore[name-defined,misc] # made at run time
    """See the module."""
