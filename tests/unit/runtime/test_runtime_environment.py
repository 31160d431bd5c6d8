"""An environment lock says what was installed, and what is otherwise somewhere else."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from mlcore.core.digests import digest_bytes
from mlcore.errors import ArtifactCorrupt, ArtifactMissing
from mlcore.runtime.environment import present_environment, read_environment, shortened, write_environment


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


def test_a_lock_that_is_none_is_an_error(tmp_path: Path) -> None:
    """Gone, or something else."""
    with pytest.raises(ArtifactMissing):
        read_environment(tmp_path)
    for text in ("{", "[]", '{"mlcore": "1"}'):
        (tmp_path / "environment.json").write_text(text, encoding="utf-8")
        with pytest.raises(ArtifactCorrupt):
            read_environment(tmp_path)
