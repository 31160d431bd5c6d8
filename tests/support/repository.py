"""The repository as git and pyproject.toml know it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>.+?))?(?: \\)?")


@cache
def tracked() -> tuple[str, ...]:
    """Every file that git keeps and that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(file: str) -> dict[str, list[Requirement]]:
    """The pins of a lock by name: one, or several for different Pythons and systems."""
    pins: dict[str, list[Requirement]] = {}
    for line in (ROOT / file).read_text().splitlines():
        if line and not line.startswith(" "):
            found = _PIN.fullmatch(line)
            assert found, line
            pins.setdefault(canonicalize_name(found["name"]), []).append(Requirement(line.removesuffix(" \\")))
    return pins


def declared() -> dict[str, list[Requirement]]:
    """The requirements of pyproject.toml: ``""`` are everybody's, then every extra and dependency group."""
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    lists = {"": project["dependencies"], **project["optional-dependencies"], **groups}
    return {name: [Requirement(item) for item in items if isinstance(item, str)] for name, items in lists.items()}
