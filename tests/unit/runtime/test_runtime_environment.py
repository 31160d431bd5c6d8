"""An environment lock says what was installed, and what is otherwise somewhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from mlcore.core.digests import digest_bytes
from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.runtime.environment import (
    commit_of,
    present_environment,
    processor,
    read_environment,
    shortened,
    write_environment,
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """With the versions of what is installed, and the digest of the project's lock file."""
    (tmp_path / "requirements.lock").write_bytes(b"numpy==1\n")
    found = present_environment(tmp_path)
    assert found.distributions["numpy"] == version("numpy")
    assert found.lock == digest_bytes(b"numpy==1\n")
    write_environment(tmp_path, found)
    assert read_environment(tmp_path) == found
    assert present_environment(tmp_path / "elsewhere").lock == ""


def test_differences_name_both_versions(tmp_path: Path) -> None:
    """What decides most comes first, what is installed in one alone is absent in the other; very many are cut."""
    found = present_environment(tmp_path)
    packages = {**found.distributions, "numpy": "0.1", "zzz": "1.0"}
    del packages["scipy"]
    other = replace(found, python="PyPy 7", distributions=packages)
    assert found.differences(found) == ()
    assert found.differences(other) == (
        f"python {found.python}, now PyPy 7",
        f"numpy {version('numpy')}, now 0.1",
        f"scipy {version('scipy')}, now absent",
        "zzz absent, now 1.0",
    )
    assert shortened(tuple(map(str, range(30)))).endswith("; 7; and 22 more")


def test_the_processor_is_part_of_it(tmp_path: Path) -> None:
    """The instructions that NumPy and Arrow found are named, in the lock and of every execution."""
    found = present_environment(tmp_path)
    assert [words.split()[0] for words in found.simd] == ["numpy", "arrow"]
    assert all(words in processor() for words in found.simd)
    other = replace(found, simd=("numpy X86_V2", found.simd[1]))
    assert found.differences(other) == (f"simd {', '.join(found.simd)}, now numpy X86_V2, {found.simd[1]}",)


def test_other_instructions_are_seen_by_the_process_that_has_them() -> None:
    """NumPy without its faster kernels, another kernel of BLAS, Arrow without vectors: another processor."""
    program = "from mlcore.runtime.environment import processor; print(processor())"
    other = {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_CORETYPE": "Sandybridge", "ARROW_USER_SIMD_LEVEL": "NONE"}
    if "X86_V3" not in processor():
        pytest.skip("this processor has no faster kernels")
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, **other},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "blas for Sandybridge" in told
    assert "arrow none" in told
    assert "X86_V3" not in told


def test_the_commit_of_a_checkout_is_told(tmp_path: Path) -> None:
    """On a branch, packed or not, on none, and in a worktree; a folder that is no checkout has none."""
    main, other = tmp_path / "main", tmp_path / "other"

    def git(*arguments: str) -> str:
        said = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=main,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout.strip()

    main.mkdir()
    assert commit_of(main) == ""
    git("init", "-q")
    assert commit_of(main) == ""
    git("commit", "-q", "--allow-empty", "-m", "first")
    first = git("rev-parse", "HEAD")
    assert commit_of(main) == first
    git("worktree", "add", "-q", "-b", "side", str(other))
    assert commit_of(other) == first
    git("pack-refs", "--all")
    assert (commit_of(main), commit_of(other)) == (first, first)
    git("commit", "-q", "--allow-empty", "-m", "second")
    git("checkout", "-q", "--detach")
    assert commit_of(main) == git("rev-parse", "HEAD") != first


def test_a_lock_that_is_none_is_an_error(tmp_path: Path) -> None:
    """Gone, or something else."""
    with pytest.raises(ArtifactMissing):
        read_environment(tmp_path)
    for text in ("{", "[]", '{"mlcore": "1"}'):
        (tmp_path / "environment.json").write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactCorrupt):
            read_environment(tmp_path)


def installed(folder: Path, name: str, noted: dict[str, object] | None) -> None:
    """A distribution as an installer leaves it, with what it notes of where it came from."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    if noted is not None:
        (info / "direct_url.json").write_text(json.dumps(noted), encoding="utf-8")


def test_what_came_from_no_index_is_locked_with_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit and an archive as pip installs them again, without who may read them; a folder in words."""
    git = {"url": "https://token@host/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "y"}
    archive = {"url": "https://me:secret@host/z-1.0.zip", "archive_info": {"hashes": {"sha256": "f00"}}}
    installed(tmp_path, "ofindex", None)
    installed(tmp_path, "ofgit", git)
    installed(tmp_path, "ofssh", {"url": "ssh://git@host/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}})
    installed(tmp_path, "ofarchive", archive)
    installed(tmp_path, "offolder", {"url": "file:///somewhere/secret-project", "dir_info": {"editable": True}})
    installed(tmp_path, "offile", {"url": "file:///somewhere/offile.whl", "archive_info": {}})
    monkeypatch.syspath_prepend(str(tmp_path))
    found = present_environment(tmp_path)
    write_environment(tmp_path, found)
    assert read_environment(tmp_path) == found
    lines = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = ("ofarchive", "offile", "offolder", "ofgit", "ofindex", "ofssh")
    assert [line for line in lines if any(name in line for name in names)] == [
        "ofarchive @ https://host/z-1.0.zip#sha256=f00",
        "# offile 1.0 was installed from a file of that machine",
        "# offolder 1.0 was installed from a folder of that machine",
        "ofgit @ git+https://host/x.git@abc#subdirectory=y",
        "ofindex==1.0",
        "ofssh @ git+ssh://git@host/x.git@abc",
    ]
    written = "".join(lines) + (tmp_path / "environment.json").read_text(encoding="utf-8")
    assert not [word for word in ("secret", "token@") if word in written]


def test_a_lock_of_before_origins_were_noted_is_read(tmp_path: Path) -> None:
    """It says of nothing where it came from."""
    found = present_environment(tmp_path)
    document = {key: value for key, value in found.to_document().items() if key != "origins"}
    (tmp_path / "environment.json").write_text(json.dumps(document), encoding="utf-8")
    assert read_environment(tmp_path) == replace(found, origins={})
