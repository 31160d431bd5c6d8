"""A file of an artifact's folder."""

from __future__ import annotations

from pathlib import Path

from mlcore.errors import ArtifactMissing


def read_payload(path: Path, what: str) -> bytes:
    """All of a file that a component wrote.

    Args:
        path: The file.
        what: What it holds, with its article, for whoever reads the error.

    Raises:
        ArtifactMissing: It cannot be opened.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open {what}: {error.strerror or error}",
            where=str(path),
            next_step="run the pipeline again: lost outputs are made again",
        ) from error
