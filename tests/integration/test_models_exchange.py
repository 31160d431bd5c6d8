"""A version goes out as one file and in again as another installation's; what is hostile stays out."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import skops.io
from support.project import Project

from mlcore.components.scoring import score
from mlcore.config.loader import find_pipeline
from mlcore.core.types import ArtifactType, Json
from mlcore.deployment.archive import ArchiveRefused, Manifest, pack, unpack
from mlcore.errors import MetadataError, ModelError, UntrustedModel
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
        with pytest.raises(MetadataError, match="has no lineage here"):
            reproduce(here, find_pipeline(project.settings.pipelines, "tiny"), copy)
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
    assert refused.returncode == 1
    assert "are not those published" in refused.stderr


def evil_pickle(folder: Path, about: dict[str, Json]) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(folder.parent / "ran"),)

    (folder / "model" / "model.skops").write_bytes(pickle.dumps(Runs()))
    true_digests(folder, about)


class Unknown:
    """A type that no model has."""


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
        (evil_pickle, ModelError, r"model file cannot be read"),
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
    assert refused.returncode == 1
    assert "pipeline that is not here: '../../etc/tiny'" in refused.stderr
    assert nothing_there(project)
