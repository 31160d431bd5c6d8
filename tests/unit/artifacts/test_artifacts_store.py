from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlcore.artifacts.store import ArtifactStore, digest_file, execution_of
from mlcore.core.types import Artifact, ArtifactState, ArtifactType
from mlcore.errors import ArtifactCorrupt, ArtifactError, ArtifactMissing


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store") if request.param == "local" else f"memory://{tmp_path.name}/store")


def write(store: ArtifactStore, uri: str, files: dict[str, bytes]) -> None:
    folder = store.folder(uri)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def recorded(uri: str, digest: str, type_: ArtifactType = ArtifactType.MODEL) -> Artifact:
    return Artifact(
        id=7,
        type=type_,
        uri=uri,
        digest=digest,
        pipeline="p",
        state=ArtifactState.LIVE,
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
    )


def test_no_two_executions_write_to_one_place(store: ArtifactStore) -> None:
    """Even the same execution, begun again after its database was restored, gets another prefix."""
    prefixes = {store.fresh("p", "Trainer", 12) for _ in range(100)}
    assert len(prefixes) == 100
    assert {execution_of(prefix) for prefix in prefixes} == {12}


def test_a_digest_is_of_names_and_bytes_alone(store: ArtifactStore) -> None:
    """The order and place of writing do not matter; a name or a byte does."""
    write(store, "p/C/1-00000000/a", {"x.txt": b"1", "deep/er/y.txt": b"2"})
    write(store, "p/C/2-00000000/b", {"deep/er/y.txt": b"2", "x.txt": b"1"})
    write(store, "p/C/3-00000000/c", {"x.txt": b"1", "deep/er/z.txt": b"2"})
    write(store, "p/C/4-00000000/d", {"x.txt": b"1", "deep/er/y.txt": b"3"})
    digests = [store.seal(uri) for uri in ("p/C/1-00000000/a", "p/C/2-00000000/b", "p/C/3-00000000/c")]
    digests.append(store.seal("p/C/4-00000000/d"))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_stores_of_all_kinds_give_one_digest(tmp_path: Path) -> None:
    """A model that is moved from a local folder to a bucket keeps its identity."""
    stores = [ArtifactStore(str(tmp_path)), ArtifactStore(f"memory://{tmp_path.name}/same")]
    for store in stores:
        write(store, "p/C/1-00000000/a", {"ü b.txt": b"1", "deep/y.txt": b"2", "deep.txt": b""})
    assert len({store.seal("p/C/1-00000000/a") for store in stores}) == 1


def test_an_output_without_files_is_refused(store: ArtifactStore) -> None:
    """A component that wrote nothing is told so, by the name of the output; a folder in it is no file."""
    folder = store.folder("p/C/1-00000000/model")
    (folder / "empty").mkdir()
    with pytest.raises(ArtifactError, match="wrote nothing") as error:
        store.seal("p/C/1-00000000/model")
    assert error.value.where == "p/C/1-00000000/model"


def test_links_are_refused(tmp_path: Path) -> None:
    """What a link leads to is not in the store and can change: it is no output."""
    store = ArtifactStore(str(tmp_path / "store"))
    write(store, "p/C/1-00000000/model", {"x": b"1"})
    (tmp_path / "elsewhere").write_bytes(b"2")
    (store.path("p/C/1-00000000/model") / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="holds a link: 'link'"):
        store.seal("p/C/1-00000000/model")


def test_files_that_are_gone_or_changed_are_told_apart(store: ArtifactStore) -> None:
    """Missing files and changed ones are different errors, each with the artifact, the place and what to do."""
    uri = "p/C/1-00000000/model"
    write(store, uri, {"x": b"1"})
    artifact = recorded(uri, store.seal(uri))
    store.verify(artifact, deep=True)
    (store.path(uri) / "x").write_bytes(b"2")
    store.verify(artifact)
    with pytest.raises(ArtifactCorrupt, match="Model 7 of p are not those published") as corrupt:
        store.verify(artifact, deep=True)
    assert str(store.path(uri)) == corrupt.value.where
    store.delete("p/C/1-00000000")
    for deep in (False, True):
        with pytest.raises(ArtifactMissing, match="Model 7 of p are gone") as missing:
            store.verify(artifact, deep=deep)
        assert missing.value.next_step


def test_source_files_lie_where_their_user_put_them(tmp_path: Path, store: ArtifactStore) -> None:
    """A source file is outside of every store, read where it is, and never removed."""
    file = tmp_path / "data.csv"
    file.write_bytes(b"a\n1\n")
    source = recorded(str(file), digest_file(file), ArtifactType.SOURCE_FILE)
    store.verify(source, deep=True)
    with pytest.raises(ArtifactError, match="not the artifact store's to remove"):
        store.delete(str(file))
    file.unlink()
    with pytest.raises(ArtifactMissing) as error:
        store.verify(source)
    assert error.value.next_step == "deliver the file again"


@pytest.mark.parametrize("uri", ["", ".", "../x", "p/../../x"])
def test_nothing_outside_the_root_is_touched(store: ArtifactStore, uri: str) -> None:
    """A place that is the root itself, or above it, is refused by every method."""
    write(store, "p/C/1-00000000/model", {"x": b"1"})
    for act in (store.path, store.delete, store.folder, store.seal):
        with pytest.raises(ArtifactError):
            act(uri)
    assert list(store.prefixes()) == ["p/C/1-00000000"]


def test_prefixes_are_those_of_executions(store: ArtifactStore) -> None:
    """Only folders named like an execution's are listed, so that a user's own are never taken for garbage."""
    assert list(store.prefixes()) == []
    made = [store.fresh("p", "C", 2), store.fresh("p", "A", 1), store.fresh("q", "C", 3)]
    for prefix in [*made, "p/C/notes", "p/C/12", "p/C/2024-01-01"]:
        write(store, f"{prefix}/model", {"x": b"123"})
    assert sorted(store.prefixes()) == sorted(made)
    assert store.size_bytes(made[0]) == 3
    store.delete(made[0])
    store.delete(made[0])
    assert store.size_bytes(made[0]) == 0
    assert sorted(store.prefixes()) == sorted(made[1:])


def test_a_full_disk_is_an_artifact_error(tmp_path: Path) -> None:
    """What the kernel says of a full disk comes out with what to do about it, whoever was writing."""
    store = ArtifactStore(str(tmp_path))
    with (
        pytest.raises(ArtifactError, match="the disk is full") as error,
        store.writing("p/C/1-00000000"),
        Path("/dev/full").open("wb") as file,
    ):
        file.write(b"x" * 100_000)
    assert "mlcore gc" in error.value.next_step


def test_what_else_fails_while_writing_keeps_its_name(tmp_path: Path) -> None:
    """An error that has nothing to do with the store is not blamed on it."""
    with pytest.raises(FileNotFoundError), ArtifactStore(str(tmp_path / "store")).writing("p/C/1-00000000"):
        (tmp_path / "no" / "such" / "file").read_bytes()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_leaves_what_was_there(tiny_disk: Path) -> None:
    """The write that does not fit fails with its remedy; earlier outputs are whole, and there is room again after."""
    store = ArtifactStore(str(tiny_disk))
    write(store, "p/C/1-00000000/model", {"x": b"1" * 20_000})
    first = recorded("p/C/1-00000000/model", store.seal("p/C/1-00000000/model"))
    with pytest.raises(ArtifactError, match="the disk is full"), store.writing("p/C/2-00000000"):
        write(store, "p/C/2-00000000/model", {"x": b"1" * 200_000})
    store.verify(first, deep=True)
    store.delete("p/C/2-00000000")
    write(store, "p/C/3-00000000/model", {"x": b"1" * 20_000})
    store.verify(first, deep=True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    """A folder of somebody else's is an error with the place and the setting that names it."""
    tmp_path.chmod(0o500)
    with pytest.raises(ArtifactError, match="cannot be written") as error:
        ArtifactStore(str(tmp_path)).folder("p/C/1-00000000/model")
    assert "MLCORE_ARTIFACTS" in error.value.next_step


def test_a_file_where_a_folder_should_be_says_so(tmp_path: Path) -> None:
    """A root that is a file is an error with its place, for whoever starts to write."""
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(ArtifactError, match="cannot be written"):
        ArtifactStore(str(tmp_path / "store")).folder("p/C/1-00000000/model")
    assert list(ArtifactStore(str(tmp_path / "store")).prefixes()) == []
