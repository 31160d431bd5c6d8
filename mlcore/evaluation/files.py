"""The payload of an Evaluation artifact.

evaluation/
├── evaluation.json    metrics with intervals, by slice
└── comparison.json    differences from the champion on the same rows; only where there was one
"""

from __future__ import annotations

from pathlib import Path

from mlcore.errors import ArtifactMissing
from mlcore.evaluation.values import Comparison, Evaluation, Slices

EVALUATION_FILE = "evaluation.json"
COMPARISON_FILE = "comparison.json"


def write(folder: Path, evaluation: Evaluation, comparison: Comparison | None = None) -> None:
    """Write an evaluation folder; it exists and is empty."""
    (folder / EVALUATION_FILE).write_bytes(evaluation.to_json())
    if comparison is not None:
        (folder / COMPARISON_FILE).write_bytes(comparison.to_json())


def read(folder: Path) -> Evaluation:
    """The evaluation of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    path = folder / EVALUATION_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open an evaluation: {error.strerror or error}",
            where=str(path),
            next_step="run the pipeline again: lost outputs are made again",
        ) from error
    return Slices.from_json(data)


def read_comparison(folder: Path) -> Comparison | None:
    """The comparison with the champion of a folder; ``None`` where there was no champion.

    Raises:
        ArtifactCorrupt: The file is something else.
    """
    path = folder / COMPARISON_FILE
    return Slices.from_json(path.read_bytes()) if path.exists() else None
