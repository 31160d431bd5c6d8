"""Blocks of merged spans: what they save, what they never change."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlcore.artifacts.blocks import Blocks, Merging, Part, blocks_below
from mlcore.artifacts.store import ArtifactStore
from mlcore.core.digests import digest_bytes

DAYS = 400


class Reader:
    """Spans whose state is their text, and a record of which were read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: list[str] = []
        for number in range(DAYS):
            self.write(number, f"{number} ")

    def write(self, number: int, text: str) -> None:
        (self.folder / str(number)).write_text(text, encoding="utf-8")

    def parts(self, numbers: Sequence[int]) -> list[Part]:
        folders = [self.folder / str(number) for number in numbers]
        return [
            Part(number=number, digest=digest_bytes(folder.read_bytes()), folder=folder)
            for number, folder in zip(numbers, folders, strict=True)
        ]

    def merging(self) -> Merging[str]:
        def read(folder: Path) -> str:
            self.read.append(folder.name)
            return folder.read_text(encoding="utf-8")

        return Merging(kind="texts", read=read, merge="".join, to_bytes=str.encode, from_bytes=bytes.decode)


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    folder = tmp_path / "spans"
    folder.mkdir()
    return Reader(folder)


@pytest.fixture
def blocks(tmp_path: Path) -> Blocks:
    return Blocks(store=ArtifactStore(str(tmp_path / "store")), pipeline="p", code="c")


def text(numbers: Sequence[int]) -> str:
    return "".join(f"{number} " for number in numbers)


def kept(blocks: Blocks) -> list[Path]:
    return sorted(path for path in blocks.store.path("p/_merged").rglob("*") if path.is_file())


def test_the_next_day_reads_the_spans_of_no_whole_block(reader: Reader, blocks: Blocks) -> None:
    """Of 365 spans that were merged the day before, no more than the seven at either end are read again."""
    assert blocks.merged(reader.parts(range(3, 368)), reader.merging()) == text(range(3, 368))
    assert len(reader.read) == 365
    reader.read.clear()
    assert blocks.merged(reader.parts(range(4, 369)), reader.merging()) == text(range(4, 369))
    assert reader.read == ["4", "5", "6", "7", "368"]


@pytest.mark.parametrize(
    "numbers",
    [range(5), range(8), [*range(3, 20), *range(31, 150)], [0, 7, 8, 8, 9, 70], [9, 3, 5], [12]],
    ids=["short", "one block", "a gap", "few, one twice", "out of order", "one"],
)
def test_any_parts_are_merged_in_their_order(reader: Reader, blocks: Blocks, numbers: Sequence[int]) -> None:
    """Spans may be missing, or be there twice: what is merged are the parts that were given, found again or not."""
    for _ in range(2):
        assert blocks.merged(reader.parts(numbers), reader.merging()) == text(numbers)


def test_a_corrected_span_makes_another_block(reader: Reader, blocks: Blocks) -> None:
    """A span whose content changed is read anew with the rest of its block; the earlier block is there yet."""
    before = reader.parts(range(64))
    blocks.merged(before, reader.merging())
    reader.write(10, "corrected ")
    reader.read.clear()
    expected = text(range(64)).replace("10 ", "corrected ", 1)
    assert blocks.merged(reader.parts(range(64)), reader.merging()) == expected
    assert reader.read == [str(number) for number in range(8, 16)]
    assert blocks.merged(before, reader.merging()) == text(range(64))


def test_splits_kinds_and_code_have_blocks_of_their_own(reader: Reader, blocks: Blocks) -> None:
    """Equal digests are not enough: another folder of the artifact, another kind, other code give other blocks."""
    parts = reader.parts(range(8))
    blocks.merged(parts, reader.merging())
    trained = [Part(number=p.number, digest=p.digest, folder=p.folder, name="train") for p in parts]
    blocks.merged(trained, reader.merging())
    Blocks(store=blocks.store, pipeline="p", code="d").merged(parts, reader.merging())
    assert len(reader.read) == 24
    assert len(kept(blocks)) == 3


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"no json\nx", None], ids=["empty", "no header", "noise", "cut"])
def test_a_damaged_block_counts_as_none(reader: Reader, blocks: Blocks, damage: bytes | None) -> None:
    """What is not what was written is made again from its parts, and mended."""
    blocks.merged(reader.parts(range(8)), reader.merging())
    (path,) = kept(blocks)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] if damage is None else damage)
    assert blocks.merged(reader.parts(range(8)), reader.merging()) == text(range(8))
    assert path.read_bytes() == whole


def test_two_at_once_give_the_same(reader: Reader, blocks: Blocks) -> None:
    """Threads that make and read the same blocks at once all merge the same, and leave no unfinished file."""
    found: list[str] = []
    parts = reader.parts(range(130))
    threads = [threading.Thread(target=lambda: found.append(blocks.merged(parts, reader.merging()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [text(range(130))] * 8
    assert len(kept(blocks)) == 2 + 16
    assert not [path for path in kept(blocks) if path.name.startswith(".")]


def test_a_store_that_cannot_be_written_stops_nothing(reader: Reader, blocks: Blocks) -> None:
    """A block that cannot be kept is left: here a file lies where its folder should."""
    folder = blocks.store.path("p")
    folder.mkdir(parents=True)
    (folder / "_merged").write_text("in the way", encoding="utf-8")
    assert blocks.merged(reader.parts(range(20)), reader.merging()) == text(range(20))


def test_blocks_tell_what_they_were_made_of(reader: Reader, blocks: Blocks) -> None:
    """The collector sees the parts and the code of every block, and what was never finished."""
    parts = reader.parts(range(8))
    blocks.merged(parts, reader.merging())
    unfinished = kept(blocks)[0].with_name(".new-0123456789abcdef")
    unfinished.write_bytes(b"half")
    os.utime(unfinished, (0, 0))
    (left, made) = blocks_below(blocks.store, ["p", "q"])
    assert made.code == "c"
    assert made.parts == {part.digest for part in parts}
    assert made.size_bytes > len(text(range(8)))
    assert left.code is None
    assert not left.parts
    assert left.age_seconds > 1e9
    blocks.store.delete(left.uri)
    assert [block.uri for block in blocks_below(blocks.store, ["p"])] == [made.uri]
