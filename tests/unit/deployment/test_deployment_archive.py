"""Archives come from anywhere: what is no plain, named, unchanged file is refused by its name, and nothing gets out."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlcore.deployment.archive import ArchiveRefused, pack, unpack

FILES = {"model/model.skops": b"a model" * 1000, "model/model.json": b"{}", "card.md": b"# card"}
ABOUT = {"kind": "a test", "number": 1}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "one.zip"
    pack(path, ABOUT, FILES)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "below" / "folder"
    made.mkdir(parents=True)
    return made


def rewritten(path: Path, change: Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None], **options: int) -> Path:
    """The archive with its entries changed, as whoever means harm would write it."""
    with zipfile.ZipFile(path) as source:
        entries = [(info, source.read(info)) for info in source.infolist()]
    change(entries)
    with zipfile.ZipFile(path, "w", **options) as target:
        for info, data in entries:
            if options:
                info.compress_type = options["compression"]
            target.writestr(info, data)
    return path


def add(name: str, data: bytes = b"x", mode: int = 0) -> Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]:
    def change(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        entries.append((info, data))

    return change


def with_manifest(change: Callable[[dict[str, object]], None]) -> Callable[[list[tuple[zipfile.ZipInfo, bytes]]], None]:
    def changed(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        info, data = entries[0]
        document = json.loads(data)
        change(document)
        entries[0] = (info, json.dumps(document).encode())

    return changed


def test_what_is_packed_is_unpacked(archive: Path, folder: Path) -> None:
    """Every file comes back with its bytes, and so does what the archive is said to be."""
    manifest = unpack(archive, folder)
    assert manifest.about == ABOUT
    assert {name: (folder / name).read_bytes() for name in manifest.files} == FILES


def test_equal_contents_are_equal_bytes(tmp_path: Path) -> None:
    """Neither the order in which files are given, nor where they lie and when they were written, is in the archive."""
    (tmp_path / "file").write_bytes(FILES["card.md"])
    first = pack(tmp_path / "a.zip", ABOUT, FILES)
    turned = dict(reversed([*FILES.items(), ("card.md", tmp_path / "file")]))
    assert pack(tmp_path / "b.zip", ABOUT, turned) == first
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "../escape",
        "model/../../escape",
        "/etc/passwd",
        "C:/x",
        "model\\..\\x",
        "model//x",
        "./x",
        "a/./b",
        "",
        "x\ny",
        "é",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(archive: Path, folder: Path, name: str) -> None:
    """Absolute names, ways up, drives and other separators are refused by name, and nothing is written at all."""
    rewritten(archive, add(name))
    with pytest.raises(ArchiveRefused, match="has a name that leads out of the archive, or none that is allowed"):
        unpack(archive, folder)
    assert not [*folder.rglob("*")]
    assert not (folder.parent / "escape").exists()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (stat.S_IFLNK | 0o777, "a link"),
        (stat.S_IFDIR | 0o755, "a folder"),
        (stat.S_IFIFO | 0o644, "a pipe"),
        (stat.S_IFCHR | 0o644, "a device"),
        (stat.S_IFBLK | 0o644, "a device"),
        (stat.S_IFSOCK | 0o644, "a socket"),
    ],
)
def test_what_is_no_plain_file_is_refused(archive: Path, folder: Path, mode: int, kind: str) -> None:
    """Links, devices and the like are refused by name, before anything is written."""
    rewritten(archive, add("model/odd", b"/etc/passwd", mode))
    with pytest.raises(ArchiveRefused, match=f"entry 'model/odd' is {kind}, and no plain file"):
        unpack(archive, folder)
    assert not [*folder.rglob("*")]


def test_an_entry_that_is_there_twice_is_refused(archive: Path, folder: Path) -> None:
    """Also where only the case differs: on some systems that is one file."""
    rewritten(archive, add("MODEL/model.json"))
    with pytest.raises(ArchiveRefused, match=r"entry 'MODEL/model\.json' is there twice"):
        unpack(archive, folder)


def test_a_compressed_entry_is_refused(archive: Path, folder: Path) -> None:
    """What is written is never more than the archive itself: bombs are compressed."""
    rewritten(archive, lambda entries: None, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveRefused, match="is compressed: what it becomes is not bounded"):
        unpack(archive, folder)


def test_entries_that_share_their_bytes_are_refused(archive: Path, folder: Path) -> None:
    """A directory that names the same bytes many times is a bomb without compression."""
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        start = opened.start_dir
    end = data.rindex(b"PK\x05\x06")
    directory = bytes(data[start:end])
    copies = [directory.replace(b"model/model.skops", f"model/model.sk{number:03}".encode()) for number in range(20)]
    tail = bytearray(data[end:])
    tail[8:12] = (len(infos) * 21).to_bytes(2, "little") * 2
    tail[12:16] = (len(directory) * 21).to_bytes(4, "little")
    archive.write_bytes(bytes(data[:start]) + directory + b"".join(copies) + bytes(tail))
    with pytest.raises(ArchiveRefused, match=r"there twice|more than the archive itself"):
        unpack(archive, folder)


def test_files_larger_than_allowed_are_refused(archive: Path, folder: Path) -> None:
    """The sizes that the archive names are added up first."""
    with pytest.raises(ArchiveRefused, match=r"more than the 100 allowed"):
        unpack(archive, folder, most_bytes=100)
    assert not [*folder.rglob("*")]


def test_a_changed_byte_is_refused_by_the_entrys_name(archive: Path, folder: Path) -> None:
    """With the checksum of the archive's format set right again, the manifest's digest still tells."""

    def change(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        place = next(number for number, (info, _) in enumerate(entries) if info.filename == "model/model.skops")
        entries[place] = (entries[place][0], b"A" + entries[place][1][1:])

    rewritten(archive, change)
    with pytest.raises(ArchiveRefused, match=r"entry 'model/model\.skops' is not what the manifest\.json names"):
        unpack(archive, folder)


def test_a_damaged_byte_is_refused(archive: Path, folder: Path) -> None:
    """Without that, the archive's own checksum tells."""
    data = bytearray(archive.read_bytes())
    data[data.index(b"a model") + 3] ^= 1
    archive.write_bytes(bytes(data))
    with pytest.raises(ArchiveRefused, match="a damaged one"):
        unpack(archive, folder)


def test_what_the_manifest_does_not_name_is_refused(archive: Path, folder: Path) -> None:
    """Neither more nor fewer entries than it names."""
    rewritten(archive, add("model/extra.pkl"))
    with pytest.raises(ArchiveRefused, match=r"entry 'model/extra\.pkl' is not in the manifest\.json"):
        unpack(archive, folder)


def test_what_the_manifest_names_must_be_there(archive: Path, folder: Path) -> None:
    """An entry that was taken out is missed by its name."""
    rewritten(archive, lambda entries: entries.pop())
    with pytest.raises(ArchiveRefused, match=r"entry 'model/model\.skops' of the manifest\.json is not there"):
        unpack(archive, folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(format=2),
        lambda document: document.pop("files"),
        lambda document: document.update(files=[1]),
        lambda document: document.update(about=3),
        lambda document: document["files"]["card.md"].update(digest="md5:1"),
        lambda document: document["files"]["card.md"].update(bytes=-1),
    ],
)
def test_a_manifest_that_is_none_is_refused(archive: Path, folder: Path, change: Callable[[object], None]) -> None:
    """Whatever stands in it, it is an error in words."""
    rewritten(archive, with_manifest(change))
    with pytest.raises(ArchiveRefused, match=r"manifest\.json cannot be read"):
        unpack(archive, folder)


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(tmp_path: Path, folder: Path, data: bytes) -> None:
    """Also an archive without entries."""
    (tmp_path / "none.zip").write_bytes(data)
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "none.zip", folder)


def test_a_failed_export_leaves_what_was_there(archive: Path) -> None:
    """A file that cannot be read ends the export; the archive of before is as it was, and nothing lies beside it."""
    before = archive.read_bytes()
    with pytest.raises(OSError, match="gone"):
        pack(archive, ABOUT, {"gone": archive.parent / "gone"})
    assert archive.read_bytes() == before
    assert [one for one in archive.parent.iterdir() if one.is_file()] == [archive]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_manifest_with_a_number_that_is_none_is_refused(archive: Path, folder: Path, number: str) -> None:
    """Metrics go into the database as JSON, which has no such numbers."""

    def change(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> None:
        entries[0] = (entries[0][0], entries[0][1].replace(b'"number":1', f'"number":{number}'.encode()))

    rewritten(archive, change)
    with pytest.raises(ArchiveRefused, match=f"{number} is no number"):
        unpack(archive, folder)


def test_a_deep_or_huge_manifest_is_refused(archive: Path, folder: Path) -> None:
    """Neither is parsed to its end: one would exhaust the stack, the other the memory."""
    for data, words in ((b'{"files":' + b"[" * 200_000, "cannot be read"), (bytes(17 * 2**20), "is larger than")):
        copy = archive.with_name("copy.zip")
        copy.write_bytes(archive.read_bytes())

        def change(entries: list[tuple[zipfile.ZipInfo, bytes]], data: bytes = data) -> None:
            entries[0] = (entries[0][0], data)

        rewritten(copy, change)
        with pytest.raises(ArchiveRefused, match=words):
            unpack(copy, folder)
    assert not [*folder.rglob("*")]


def test_a_directory_of_entries_beyond_all_bounds_is_not_read(archive: Path, folder: Path) -> None:
    """An archive says itself how long its directory is."""
    data = bytearray(archive.read_bytes())
    end = data.rindex(b"PK\x05\x06")
    padding = bytes(40 * 2**20)
    size = int.from_bytes(data[end + 12 : end + 16], "little")
    data[end + 12 : end + 16] = (size + len(padding)).to_bytes(4, "little")
    archive.write_bytes(bytes(data[: end - size]) + padding + bytes(data[end - size :]))
    with pytest.raises(ArchiveRefused, match="a part of"):
        unpack(archive, folder)
