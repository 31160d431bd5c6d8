"""Where things are, who may import whom, and what no file may hold."""

from __future__ import annotations

import getpass
import re
import socket
import sys
from pathlib import Path

from support.repository import ROOT, pyproject, tracked

FOLDERS = {".ci", "benchmarks", "config", "dags", "docs", "mlcore", "plugins", "tests"}
FILES = {
    ".dockerignore", ".env.example", ".gitattributes", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE",
    "MLproject", "Makefile", "README.md", "docker-compose.yml", "pyproject.toml", "requirements-image.lock",
    "requirements-uv.lock", "requirements.lock",
}  # fmt: skip
ENTRY_POINTS = {"airflow"}
HEAVY = {"apache_beam", "evidently", "pandas", "scipy", "sklearn", "skops"}
# Split, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.:/])/(?:ho" r"me|Use" r"rs|ro" r"ot|wo" r"rk|workspa" r"ce)/[\w.-]+")
IMAGE_HOME = "/home/mlcore"  # the user's folder in the image
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abp]-[0-9A-Za-z-]{20,}"
)


def texts() -> dict[str, str]:
    """Every tracked text file."""
    return {name: (ROOT / name).read_text(errors="ignore") for name in tracked() if not name.endswith((".png", ".gz"))}


def contract(name: str) -> dict[str, list[str]]:
    """An import contract of pyproject.toml."""
    return next(item for item in pyproject()["tool"]["importlinter"]["contracts"] if item["name"] == name)


def parts() -> set[str]:
    """The packages and modules directly in mlcore."""
    return {Path(name).parts[1].removesuffix(".py") for name in tracked() if name.startswith("mlcore/")} - {"__init__"}


def layers() -> list[set[str]]:
    return [set(layer.split(" | ")) for layer in contract("Imports point downwards")["layers"]]


def test_top_level_holds_what_is_agreed() -> None:
    """Nobody has to guess in which folder a file belongs: there are eight, and the usual files beside them."""
    top = {Path(name).parts[0] for name in tracked()}
    assert top <= FOLDERS | FILES


def test_every_module_is_named_by_the_layers() -> None:
    """A new package fails here, and in the linter, until somebody says what it may import."""
    named = [name for layer in layers() for name in layer]
    assert sorted(named) == sorted(parts())
    assert contract("Imports point downwards")["exhaustive"] is True


def test_computation_is_one_layer_of_independent_packages() -> None:
    """Eight pure packages stand side by side, inference puts them together, and none of them knows a store."""
    pure = {"ingest", "statistics", "schema", "transform", "training", "evaluation", "deployment", "monitoring"}
    assert pure in layers()
    assert layers().index({"components"}) + 1 == layers().index({"inference"}) == layers().index(pure) - 1
    without_stores = set(contract("Computation knows no store")["source_modules"])
    assert without_stores == {f"mlcore.{name}" for name in pure | {"inference", "beam", "accumulators"}}
    stores = set(contract("Computation knows no store")["forbidden_modules"])
    assert {"mlcore.metadata", "mlcore.artifacts", "mlcore.registry", "sqlalchemy", "psycopg2"} <= stores


def test_every_module_but_one_is_kept_from_importing_airflow() -> None:
    """The contract against importing Airflow lists everything in mlcore except mlcore.airflow."""
    listed = contract("Only mlcore.airflow imports Airflow")["source_modules"]
    assert set(listed) == {f"mlcore.{name}" for name in parts() - ENTRY_POINTS}


def test_heavy_libraries_are_banned_at_the_top_of_modules() -> None:
    """Ruff refuses their import outside of functions; the exceptions are modules, never whole packages of mlcore."""
    lint = pyproject()["tool"]["ruff"]["lint"]
    assert set(lint["flake8-tidy-imports"]["banned-module-level-imports"]) >= HEAVY
    excepted = [name for name, rules in lint["per-file-ignores"].items() if "TID253" in rules]
    assert all(name.endswith(".py") for name in excepted if name.startswith(("mlcore", "dags", "plugins")))


def test_no_file_names_a_machine() -> None:
    """No absolute path of somebody's folders, no user and host name, no place of this checkout or its Python."""
    here = {str(ROOT), str(Path.home()) + "/", sys.base_prefix + "/"} - {"//"}
    found = [
        (name, part)
        for name, text in texts().items()
        for part in (*MACHINE_PATHS.findall(text), *(place for place in here if len(place) > 8 and place in text))
        if not part.startswith(IMAGE_HOME)
    ]
    assert found == []
    host, user = socket.gethostname(), getpass.getuser()
    names = [name for name in (host, user) if len(name) > 8 and name not in ("localhost", "localhost.localdomain")]
    assert [(file, name) for file, text in texts().items() for name in names if name in text] == []


def test_no_file_holds_a_secret() -> None:
    """Neither a private key nor a token of the usual services."""
    assert [name for name, text in texts().items() if SECRETS.search(text)] == []
