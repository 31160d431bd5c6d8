"""Folders that follow the registry: what readers see at every line, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from support.releases import (
    PIPELINE,
    Killed,
    at_every_line,
    ending_at,
    model_digest,
    pointer,
    release_of,
)

from mlcore.config.destinations import FolderConfig, PluginConfig
from mlcore.deployment.destinations.base import Pointer
from mlcore.deployment.destinations.folder import FolderDestination, place_of, read_pointer, release_flaws
from mlcore.deployment.destinations.levelling import bring_level, differences
from mlcore.deployment.destinations.places import Changed
from mlcore.deployment.destinations.plugins import filled, find_destination, masked, open_destination
from mlcore.errors import ConfigError, DestinationError


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder here, and an object store."""
    if request.param == "folder":
        return str(tmp_path / "models")
    memory = fsspec.filesystem("memory")
    if memory.exists("/models"):
        memory.rm("/models", recursive=True)
    return "memory://models"


def folder(url: str, keep: int = 3) -> FolderDestination:
    return FolderDestination(PIPELINE, {"url": url, "keep": keep})


def level(url: str, *wanted: Pointer, keep: int = 3, take_over: bool = False) -> str:
    return str(bring_level(folder(url, keep), wanted, release_of, take_over=take_over))


def shown(url: str, alias: str = "champion") -> int | None:
    place = place_of(f"{url}/{PIPELINE}")
    found = read_pointer(place, alias)
    assert found is not None
    if found.version is not None:
        assert list(release_flaws(place, found.release, found.digest)) == []
    return found.version


def releases(url: str) -> set[str]:
    return {name.partition("-")[0] for name in place_of(f"{url}/{PIPELINE}").names() if name[0].isdigit()}


def test_a_push_and_a_rollback_move_the_pointer(url: str) -> None:
    """A rollback shows an older version by a later move, which needs no file written again."""
    assert level(url, pointer(1, 1)).startswith("1 releases written, champion at version 1")
    level(url, pointer(2, 2))
    assert shown(url) == 2
    said = level(url, pointer(1, 3))
    assert "written" not in said
    assert shown(url) == 1
    assert level(url, pointer(1, 3)) == "nothing was missing"


def test_one_that_knows_less_changes_nothing(url: str) -> None:
    """A levelling of an earlier moment of the registry is told that the place is ahead."""
    level(url, pointer(1, 3))
    with pytest.raises(DestinationError, match=r"it is ahead: its champion is at version 1 .* by move 3"):
        level(url, pointer(2, 2))
    assert shown(url) == 1


def test_another_registry_is_refused_until_it_takes_over(url: str) -> None:
    """Numbers of another registry mean nothing here, greater or smaller."""
    level(url, pointer(1, 3))
    for sequence in (2, 4):
        with pytest.raises(DestinationError, match="follows another registry"):
            level(url, pointer(2, sequence, registry="f" * 16))
    level(url, pointer(2, 2, registry="f" * 16), take_over=True)
    assert shown(url) == 2


def test_an_alias_that_is_removed_or_not_followed_any_more_is_nowhere(url: str) -> None:
    """Its pointer says so, and an earlier move cannot bring it back."""
    level(url, pointer(1, 1), pointer(2, 2, "challenger"))
    level(url, pointer(1, 1), pointer(None, 3, "challenger"))
    assert shown(url, "challenger") is None
    with pytest.raises(DestinationError, match="ahead"):
        level(url, pointer(1, 1), pointer(2, 2, "challenger"))
    level(url, pointer(1, 1), pointer(2, 4, "challenger"))
    level(url, pointer(1, 1))
    assert shown(url, "challenger") is None
    level(url, pointer(1, 1), pointer(2, 4, "challenger"))
    assert shown(url, "challenger") == 2


def test_the_newest_releases_and_those_shown_are_kept(url: str) -> None:
    """``keep`` counts by version; what a pointer names stays however old it is."""
    for version in range(1, 6):
        level(url, pointer(version, version), keep=2)
    assert releases(url) == {"4", "5"}
    level(url, pointer(1, 6), keep=2)
    assert releases(url) == {"1", "4", "5"}
    level(url, pointer(5, 7), keep=1)
    assert releases(url) == {"5"}


@pytest.mark.parametrize("damage", ["cut", "gone", "more", "manifest"])
def test_a_damaged_release_is_told_and_written_again(url: str, damage: str) -> None:
    """A file that is cut or missing, one too many, no manifest: levelling mends it, and the check is content."""
    level(url, pointer(1, 1))
    system, root = fsspec.core.url_to_fs(f"{url}/{PIPELINE}/{pointer(1, 1).release}")
    if damage == "cut":
        system.pipe_file(f"{root}/model/model.skops", b"model")
    elif damage == "more":
        system.pipe_file(f"{root}/model/more.txt", b"")
    else:
        system.rm_file(f"{root}/{'manifest.json' if damage == 'manifest' else 'schema/schema.json'}")
    assert list(differences(folder(url), [pointer(1, 1)])) != []
    assert level(url, pointer(1, 1)) == "1 releases written"
    assert list(differences(folder(url), [pointer(1, 1)])) == []


def test_a_changed_byte_is_told_by_the_check(url: str) -> None:
    """Of equal size: only who reads all bytes sees it."""
    level(url, pointer(1, 1))
    system, root = fsspec.core.url_to_fs(f"{url}/{PIPELINE}/{pointer(1, 1).release}")
    system.pipe_file(f"{root}/schema/schema.json", b"[2]")
    (said,) = differences(folder(url), [pointer(1, 1)])
    assert "schema/schema.json" in said


def test_a_model_that_is_not_the_registered_one_is_not_published(tmp_path: Path) -> None:
    """Its files are held against the digest of the version before the release appears."""
    wrong = pointer(1, 1)
    other = Pointer(
        pipeline=PIPELINE,
        alias="champion",
        sequence=1,
        registry=wrong.registry,
        version=1,
        digest=model_digest(2),
        release=pointer(2, 1).release,
    )
    with pytest.raises(DestinationError, match="not those that were registered"):
        level(str(tmp_path), other)
    assert not (tmp_path / PIPELINE / "champion.json").exists()


def test_at_every_line_a_reader_finds_a_whole_version(tmp_path: Path) -> None:
    """The first push, a push, a rollback to a release that is there no more, and the removal of old ones.

    A release that nothing points to is whole or has no manifest, too.
    """
    url, seen = str(tmp_path), set()
    place = place_of(f"{url}/{PIPELINE}")

    def look(_: int) -> None:
        if (tmp_path / PIPELINE / "champion.json").exists():
            seen.add(shown(url))
        for manifest in (tmp_path / PIPELINE).glob("[0-9]*/manifest.json"):
            name = manifest.parent.name
            assert list(release_flaws(place, name, model_digest(int(name.partition("-")[0])))) == []

    with at_every_line(look):
        for sequence, version in enumerate((1, 2, 3, 1), start=1):
            level(url, pointer(version, sequence), keep=1)
    assert seen == {1, 2, 3}


def test_killed_at_any_line_the_next_levelling_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Every line of a levelling that writes, points and removes, one after the other."""
    for line in range(0, 2000, 7):
        url = str(tmp_path / str(line))
        level(url, pointer(1, 1), keep=1)
        try:
            with at_every_line(ending_at(line, Killed())):
                level(url, pointer(2, 2), keep=1)
        except Killed:
            assert shown(url) in (1, 2)
            level(url, pointer(2, 2), keep=1)
        else:
            assert line > 100
            break
        assert shown(url) == 2
        left = {path.name for path in (tmp_path / str(line) / PIPELINE).iterdir()}
        assert left == {"champion.json", ".lock", pointer(2, 2).release}
        shutil.rmtree(url)


def test_a_reader_in_another_process_never_sees_half_a_version(tmp_path: Path) -> None:
    """Thousands of looks from another process while the pointer is moved back and forth."""
    url = str(tmp_path)
    level(url, pointer(1, 1), keep=1)
    program = f"""
import sys, time
from mlcore.deployment.destinations.folder import place_of, read_pointer, release_flaws
place, looks, seen, last = place_of({str(tmp_path / PIPELINE)!r}), 0, set(), 0
print("ready", flush=True)
while looks < 3000:
    pointer = read_pointer(place, "champion")
    assert pointer.sequence >= last
    last = pointer.sequence
    flaws = list(release_flaws(place, pointer.release, pointer.digest)) if looks % 10 == 0 else []
    # Of a release that was removed meanwhile the pointer has moved on.
    assert not flaws or read_pointer(place, "champion").sequence > last, flaws
    looks, seen = looks + 1, seen | {{pointer.version}}
print(len(seen))
"""
    reader = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    sequence = 1
    while reader.poll() is None:
        sequence += 1
        level(url, pointer(1 + sequence % 2, sequence), keep=1)
    assert (reader.returncode, reader.stdout.read().strip()) == (0, "2")
    assert sequence > 5


def test_a_pointer_that_changed_meanwhile_is_not_replaced(url: str) -> None:
    """Compare and set, of bytes and of pointers."""
    level(url, pointer(1, 1))
    place = place_of(f"{url}/{PIPELINE}")
    with pytest.raises(Changed):
        place.replace("champion.json", b"x", b"y")
    with pytest.raises(DestinationError, match="changed by somebody else"):
        folder(url).point(pointer(2, 2), pointer(1, 0))
    assert shown(url) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"release": "../../etc"},
        {"release": "", "digest": ""},
        {"sequence": "1"},
        {"format": 2},
        {"digest": "sha256:short"},
        {"alias": "challenger"},
        {"more": 1},
    ],
)
def test_a_pointer_from_elsewhere_is_checked(tmp_path: Path, change: dict[str, object]) -> None:
    """What it names becomes a path: a reader refuses what no levelling writes."""
    level(str(tmp_path), pointer(1, 1))
    path = tmp_path / PIPELINE / "champion.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DestinationError):
        read_pointer(place_of(str(path.parent)), "champion")


def test_where_files_cannot_be_replaced_in_one_step_nothing_is_written() -> None:
    """SFTP and the like would show half a pointer."""
    with pytest.raises(ConfigError, match="in one step at sftp://"):
        place_of("sftp://host/models")


def test_variables_are_filled_in_and_never_told() -> None:
    """In options of any depth; one that is not set is named; what is told has none of their values in any form."""
    entry = PluginConfig(type="shop.Shelf", url="https://${TOKEN}@shelf", headers={"x": ["${KEY}"]})  # type: ignore[call-arg]
    variables = {"TOKEN": "a b/c", "KEY": "kk"}
    assert filled(entry.options, variables) == {"url": "https://a b/c@shelf", "headers": {"x": ["kk"]}}
    assert masked("GET https://a%20b%2Fc@shelf: 'a b/c' kk", entry, variables) == "GET https://****@shelf: '****' ****"
    with pytest.raises(ConfigError, match="KEY is not set"):
        filled(entry.options, {"TOKEN": "x"})


def test_a_relative_folder_begins_at_the_project(tmp_path: Path) -> None:
    """Wherever the command is given."""
    entry = FolderConfig(type="folder", url="${NAME}/models")
    opened = open_destination(entry, pipeline=PIPELINE, variables={"NAME": "x"}, project=tmp_path)
    bring_level(opened, [pointer(1, 1)], release_of)
    assert shown(str(tmp_path / "x" / "models")) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.at.All", "cannot be imported"),
        ("os.path", "is no destination"),
        ("mlcore.deployment.destinations.base.Destination", "lacks point, publish, state"),
    ],
)
def test_what_is_no_class_of_a_destination_is_refused(path: str, message: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(ConfigError, match=message):
        find_destination(path)


def test_time_that_is_over_ends_a_levelling_between_files(tmp_path: Path) -> None:
    """What was written stays invisible; the next levelling does the rest."""
    late = folder(str(tmp_path))
    late.deadline = 0.0
    with pytest.raises(DestinationError, match="longer than max_wait"):
        bring_level(late, [pointer(1, 1)], release_of)
    level(str(tmp_path), pointer(1, 1))
    assert shown(str(tmp_path)) == 1
