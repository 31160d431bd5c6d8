"""Folders of the artifact store as folders of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcore.artifacts.digests import files_below, relative_name
from mlcore.core.temporary import temporary_folder


@contextmanager
def local(folder: Path) -> Iterator[Path]:
    """A folder of the artifact store as one of this machine: itself, or a copy that is gone at the end."""
    if _is_of_this_machine(folder):
        yield folder
        return
    with temporary_folder("tracking") as scratch:
        copy_files(folder, scratch)
        yield scratch


def copy_files(folder: Path, target: Path) -> None:
    """Every file below one folder into another, which exists."""
    for path in files_below(folder):
        copy = target / relative_name(path, folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())


def _is_of_this_machine(folder: object) -> bool:
    return isinstance(folder, Path)  # remote folders have its interface, not its type
