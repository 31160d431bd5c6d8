"""Folders within an artifact."""

from __future__ import annotations

from pathlib import Path


def split_path(folder: Path, name: str) -> Path:
    """Where a split lies within an artifact's folder; "." is that folder itself, and no part of an object's name.

    >>> split_path(Path("spans"), ".").as_posix(), split_path(Path("spans"), "train").as_posix()
    ('spans', 'spans/train')
    """
    return folder if name == "." else folder / name
