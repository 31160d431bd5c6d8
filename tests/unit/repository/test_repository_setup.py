"""Setting up, and being installed: messages that say what to do, and a wheel that holds everything."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.repository import ROOT, tracked


def run(*command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **environ}
    return subprocess.run(
        [str(c) for c in command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_help_lists_the_targets() -> None:
    """`make` alone shows each target with what it does."""
    shown = run("make").stdout
    for target in ("help", "setup", "test", "lint", "demo", "stop", "lock", "bench", "clean"):
        assert f"make {target} " in shown


@pytest.mark.parametrize("name", ["3.11", "3.12", "3.13"])
def test_a_fitting_python_is_found_by_its_name(name: str, tmp_path: Path) -> None:
    """Any of the three supported versions is taken wherever it is the only one on the path."""
    (tmp_path / f"python{name}").symlink_to(sys.executable)
    found = run("/bin/sh", ".ci/find-python", PATH=str(tmp_path))
    assert (found.returncode, found.stdout.strip()) == (0, str(tmp_path / f"python{name}"))


def test_without_a_fitting_python_the_remedy_is_named(tmp_path: Path) -> None:
    """A Python of another version is no Python to us; the message says which are, and how to name one."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    found = run("/bin/sh", ".ci/find-python", PATH=str(tmp_path))
    assert found.returncode == 1
    assert "install Python 3.11, 3.12 or 3.13" in found.stderr
    assert "make PYTHON=" in found.stderr


def test_a_python_named_by_the_user_is_the_only_one_tried(tmp_path: Path) -> None:
    """A wrong PYTHON is an error, not a reason to take another."""
    found = run("/bin/sh", ".ci/find-python", PYTHON=str(tmp_path / "none"))
    assert found.returncode == 1
    assert f"at {tmp_path / 'none'}" in found.stderr


def test_too_small_a_disk_is_told_before_anything_is_written(tmp_path: Path) -> None:
    """The message says how much is free and how much is needed; no environment is begun."""
    done = run(sys.executable, ".ci/bootstrap.py", "--venv", tmp_path / "venv", "--needed-gb", "1e9")
    assert done.returncode == 1
    assert "1000000000 GB are needed" in done.stderr
    assert "next: free some space" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_without_a_network_the_remedy_is_named(tmp_path: Path) -> None:
    """An index that does not answer is told with what to look at, after what the installer said."""
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    done = run(
        sys.executable, ".ci/bootstrap.py", "--venv", tmp_path / "venv", "--needed-gb", "0",
        HOME=str(tmp_path), PIP_CONFIG_FILE=os.devnull, **offline,
    )  # fmt: skip
    assert done.returncode == 1
    assert "[2/4]" in done.stdout
    assert "No matching distribution found for uv" in done.stdout
    assert "next: check the network" in done.stderr


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    """What is in mlcore/ is installed, templates and migrations too, and the licence with it; nothing else is."""
    build = run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path)
    assert build.returncode == 0, build.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        metadata = next(name for name in held if name.endswith("/METADATA"))
        described = archive.read(metadata).decode()
    package = {name for name in tracked() if name.startswith("mlcore/")}
    assert package <= held
    assert {name.partition("/")[0] for name in held} == {"mlcore", metadata.partition("/")[0]}
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert "License-Expression: Apache-2.0" in described
    assert "Requires-Python: <3.14,>=3.11" in described
