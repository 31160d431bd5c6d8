"""A version goes out as one file and in again as another installation's; what is hostile stays out."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skops.io
from support.project import Project

from mlcore.components.scoring import score
from mlcore.config.loader import find_pipeline
from mlcore.core.types import ArtifactType, Json
from mlcore.deployment.archive import ArchiveRefused, Manifest, pack, unpack
from mlcore.errors import MetadataError, UntrustedModel
from mlcore.ingest.examples import read_examples
from mlcore.runtime.rebuilding.reproduce import reproduce
from mlcore.runtime.release.exchange import Imported, export_version, import_version


def exported(project: Project, path: Path) -> str:
    with project.session() as session:
        return export_version(session, session.registry.find("tiny"), path, {"card.md": b"# a card"})


def imported(project: Project, path: Path, **options: str) -> Imported:
    with project.session() as session:
        return import_version(
            session,
            lambda name: find_pipeline(project.settings.pipelines, name),
            path,
            actor="me@here",
            **options,  # type: ignore[arg-type]
        )


def repacked(path: Path, folder: Path, change: Callable[[Path, dict[str, Json]], None]) -> Path:
    """The archive with other contents and a manifest that is true of them."""
    folder.mkdir()
    manifest: Manifest = unpack(path, folder)
    about = dict(manifest.about)
    change(folder, about)
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    pack(path, about, files)
    return path


def true_digests(folder: Path, about: dict[str, Json]) -> None:
    from mlcore.artifacts.digests import digest_folder

    artifacts = about["artifacts"]
    assert isinstance(artifacts, dict)
    for name, entry in artifacts.items():
        assert isinstance(entry, dict)
        entry["digest"] = digest_folder(folder / name)
    about["digest"] = artifacts["model"]["digest"]  # type: ignore[index, call-overload]


def nothing_there(project: Project) -> bool:
    with project.session() as session:
        models = session.metadata.find_artifacts(type=ArtifactType.MODEL, pipeline="tiny")
        prefixes = [*session.artifacts.prefixes()]
        versions = session.registry.versions("tiny")
    return not models and not prefixes and not versions and not [*project.settings.home.glob("scratch/import-*")]


def test_a_version_is_exported_and_imported(ran: Project, project: Project, tmp_path: Path) -> None:
    """Equal bytes every time; elsewhere it is a version with the same digest and predictions, and no champion."""
    digest = exported(ran, tmp_path / "one.zip")
    assert exported(ran, tmp_path / "two.zip") == digest
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}
    assert {"model", "evaluation", "schema", "environment", "card.md", "lineage.json", "manifest.json"} <= folders
    found = imported(project, tmp_path / "one.zip", expect=digest)
    assert (found.version, found.fresh) == (1, True)
    assert not imported(project, tmp_path / "one.zip").fresh
    with ran.session() as there, project.session() as here:
        original, copy = there.registry.find("tiny", 1), here.registry.find("tiny", 1)
        assert (copy.digest, copy.train_end, copy.window_end) == (
            original.digest,
            original.train_end,
            original.window_end,
        )
        assert here.registry.champion("tiny") is None
        (push,) = here.registry.pushes("tiny")
        assert "me@here imported it from 'one.zip'" in push.reason
        assert digest in push.reason
        models = [
            session.metadata.artifacts([one.artifact_id])[0] for session, one in ((there, original), (here, copy))
        ]
        (spans, *_) = there.metadata.find_artifacts(type=ArtifactType.EXAMPLES, pipeline="tiny")
        rows = read_examples([there.artifacts.path(spans.uri)])
        scores = [score(store.artifacts.path(one.uri), rows) for store, one in zip((there, here), models, strict=True)]
        with pytest.raises(MetadataError, match="was imported, and what it was made from is not known here") as refused:
            reproduce(here, find_pipeline(project.settings.pipelines, "tiny"), copy)
        assert refused.value.next_step.endswith("mlcore run tiny --at 2024-01-10T00:00:00Z")
        _, after = here.registry.promote("tiny", 1, actor="me", reason="as good as there")
    assert np.array_equal(*scores)
    assert after.digest == original.digest
    assert exported(project, tmp_path / "again.zip")


def test_the_command_line_exports_with_a_card_and_imports(ran: Project, project: Project, tmp_path: Path) -> None:
    """What is printed is the digest that --expect takes; a model whose bytes changed in the store is not exported."""
    path = tmp_path / "one.zip"
    done = ran.cli("models", "export", "tiny", "1", str(path))
    assert done.returncode == 0, done.stderr
    digest = done.stdout.split()[-1]
    with zipfile.ZipFile(path) as archive:
        assert archive.read("card.md").decode().startswith("# Model card: tiny, version 1")
    there = project.cli("models", "import", str(path), "--expect", digest)
    assert "version 1 of tiny is registered" in there.stdout, there.stderr
    assert "imported it from 'one.zip'" in project.cli("models", "show", "tiny", "--version", "1").stdout
    with ran.session() as session:
        (model,) = session.metadata.artifacts([session.registry.find("tiny", 1).artifact_id])
        file = session.artifacts.path(model.uri) / "model.json"
    file.write_bytes(file.read_bytes() + b" ")
    refused = ran.cli("models", "export", "tiny", "1", str(path))
    assert refused.returncode == 2
    assert "are not those published" in refused.stderr


def evil_pickle(folder: Path, about: dict[str, Json]) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder.parent / "ran"),)

    (folder / "model" / "model.skops").write_bytes(pickle.dumps(Runs()))
    true_digests(folder, about)


class Unknown:
    """A type that no model has."""


def with_schema(folder: Path, change: Callable[[str], str]) -> None:
    """Rewrite the tree of objects in a model file."""
    path = folder / "model" / "model.skops"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["schema.json"] = change(files["schema.json"].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def deep_json(folder: Path, about: dict[str, Json]) -> None:
    with_schema(folder, lambda schema: '{"content":' * 200_000 + "1" + "}" * 200_000)
    true_digests(folder, about)


def deep_metadata(folder: Path, about: dict[str, Json]) -> None:
    (folder / "model" / "model.json").write_text('{"params":' + "[" * 100_000 + "]" * 100_000 + "}", encoding="utf-8")
    true_digests(folder, about)


def greedy(folder: Path, about: dict[str, Json]) -> None:
    """A file of a few bytes that says it holds an array of 2^44 numbers."""
    path = folder / "model" / "model.skops"
    path.write_bytes(skops.io.dumps({"model": np.zeros(3)}))
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**44},), }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            lie = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data[-24:]
            archive.writestr(name, lie if name.endswith(".npy") else data)
    true_digests(folder, about)


def unknown_type(folder: Path, about: dict[str, Json]) -> None:
    (folder / "model" / "model.skops").write_bytes(skops.io.dumps({"model": Unknown()}))
    true_digests(folder, about)


def bomb(folder: Path, about: dict[str, Json]) -> None:
    with zipfile.ZipFile(folder / "model" / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(10**7))
    true_digests(folder, about)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (bomb, ArchiveRefused, r"entry 'model/model.skops' holds 'schema.json' compressed"),
        (evil_pickle, ArchiveRefused, r"model file cannot be read"),
        (deep_json, ArchiveRefused, r"model file cannot be read"),
        (deep_metadata, ArchiveRefused, r"model's metadata cannot be read"),
        (greedy, ArchiveRefused, r"cannot be loaded: .Unable to allocate"),
        (unknown_type, UntrustedModel, r"not on the allow-list: '[\w.]*Unknown'"),
    ],
)
def test_a_hostile_model_in_a_flawless_archive_is_refused(
    ran: Project,
    project: Project,
    tmp_path: Path,
    change: Callable[[Path, dict[str, Json]], None],
    error: type[Exception],
    words: str,
) -> None:
    """A bomb, a pickle that runs code, a type nobody knows: refused by name, nothing run, nothing visible."""
    exported(ran, tmp_path / "one.zip")
    repacked(tmp_path / "one.zip", tmp_path / "inside", change)
    with pytest.raises(error, match=words):
        imported(project, tmp_path / "one.zip")
    assert not (tmp_path / "ran").exists()
    assert nothing_there(project)


def test_an_archive_that_lies_is_refused(ran: Project, project: Project, tmp_path: Path) -> None:
    """A changed file, another digest, another kind, a name from outside: each in words, and nothing is visible."""

    def other_bytes(folder: Path, about: dict[str, Json]) -> None:
        (folder / "evaluation" / "evaluation.json").write_text("{}", encoding="utf-8")

    def other(**said: Json) -> Callable[[Path, dict[str, Json]], None]:
        return lambda folder, about: about.update(said)

    exported(ran, tmp_path / "one.zip")
    lies: Mapping[str, Callable[[Path, dict[str, Json]], None]] = {
        "files of evaluation are not those of its digest": other_bytes,
        "model is not the one it names": other(digest="sha256:0"),
        "holds no model version": other(kind="a song"),
        "says nothing that makes sense: 'a window": other(train_start="2030-01-01T00:00:00Z"),
        "says nothing that makes sense: 'a character": other(run="a\x00b"),
    }
    for number, (words, change) in enumerate(lies.items()):
        path = tmp_path / f"{number}.zip"
        path.write_bytes((tmp_path / "one.zip").read_bytes())
        repacked(path, tmp_path / str(number), change)
        with pytest.raises(ArchiveRefused, match=words):
            imported(project, path)
    with pytest.raises(ArchiveRefused, match="neither the archive nor its model has the digest"):
        imported(project, tmp_path / "one.zip", expect="sha256:1")
    path = repacked(tmp_path / "one.zip", tmp_path / "named", other(pipeline="../../etc/tiny"))
    refused = project.cli("models", "import", str(path))
    assert refused.returncode == 2
    assert "pipeline that is not here: '../../etc/tiny'" in refused.stderr
    assert nothing_there(project)


def test_a_changed_byte_of_any_file_is_refused_by_its_name(ran: Project, project: Project, tmp_path: Path) -> None:
    """Every entry of an archive, the manifest too: one bit, and nothing of it is visible."""
    exported(ran, tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        entries = [(info, archive.read(info)) for info in archive.infolist()]
    for changed, data in entries:
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for info, content in entries:
                wrong = bytes([content[0] ^ 1]) + content[1:]
                archive.writestr(info, wrong if info is changed and data else content)
        with pytest.raises(ArchiveRefused, match=changed.filename):
            imported(project, path)
    assert nothing_there(project)


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *map(str, arguments)], check=False, capture_output=True)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Private and public keys of ours and of somebody else, as the how-to has them made."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no OpenSSL on this machine to make keys with")
    made = {}
    for name in ("ours", "theirs"):
        private, public = tmp_path / f"{name}.key", tmp_path / f"{name}-public" / f"{name}.pem"
        public.parent.mkdir()
        assert openssl("genpkey", "-algorithm", "ed25519", "-out", private).returncode == 0
        assert openssl("pkey", "-in", private, "-pubout", "-out", public).returncode == 0
        made[name] = private, public
    return made


def test_who_signed_an_archive_is_checked(
    ran: Project, project: Project, tmp_path: Path, keys: dict[str, tuple[Path, Path]]
) -> None:
    """Signed archives are equal bytes; unsigned, changed or signed by others they are refused where keys are named."""
    (ours, public), (_, other) = keys["ours"], keys["theirs"]
    paths = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in paths:
        done = ran.cli("models", "export", "tiny", "1", str(path), "--sign", str(ours))
        assert done.returncode == 0, done.stderr
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        for name in ("manifest.json", "manifest.sig"):
            (tmp_path / name).write_bytes(archive.read(name))
    checked = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", tmp_path / "manifest.json"]
    assert openssl(*checked, "-sigfile", tmp_path / "manifest.sig").returncode == 0
    exported(ran, tmp_path / "unsigned.zip")
    with zipfile.ZipFile(paths[0]) as source, zipfile.ZipFile(tmp_path / "changed.zip", "w") as target:
        for info in source.infolist():
            data = source.read(info)
            target.writestr(info, data + b" " if info.filename == "manifest.json" else data)
    always = replace(project.settings, trusted_keys=public.parent)
    for words, where, arguments in (
        ("the archive is not signed", project, ("unsigned.zip", "--verify", str(public))),
        ("the archive is not signed", Project(always), ("unsigned.zip",)),
        ("of none of the keys that are trusted", project, ("one.zip", "--verify", str(other))),
        ("of none of the keys that are trusted", Project(always), ("changed.zip",)),
    ):
        refused = where.cli("models", "import", str(tmp_path / arguments[0]), *arguments[1:])
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr
    none = Project(always).cli("models", "import", str(paths[0]), "--verify", str(other))
    assert (none.returncode, "none of the keys named is trusted" in none.stderr) == (1, True), none.stderr
    no_key = ran.cli("models", "export", "tiny", "1", str(tmp_path / "no.zip"), "--sign", str(public))
    assert (no_key.returncode, "is no private key" in no_key.stderr) == (1, True), no_key.stderr
    assert nothing_there(project)
    done = Project(always).cli("models", "import", str(paths[0]), "--verify", str(public), "--verify", str(other))
    assert done.returncode == 0, done.stderr
    with project.session() as session:
        (push,) = session.registry.pushes("tiny")
    assert "signed by sha256:" in push.reason
