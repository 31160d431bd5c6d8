"""The payload of a Predictions artifact: what a model said of rows that it had not seen.

predictions/
├── scores.npy          a number a row, or a column a class; rows in the order of their examples
└── predictions.json    the classes, and which spans were fitted on and which were predicted
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mlcore.core.digests import canonical_json
from mlcore.core.payloads import read_payload
from mlcore.core.types import Json
from mlcore.errors import ArtifactCorrupt, quoted
from mlcore.evaluation.sample import Floats

SCORES_FILE = "scores.npy"
ABOUT_FILE = "predictions.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionsAbout:
    """What predictions are of.

    Attributes:
        classes: In the order of the scores' columns; empty for a regressor.
        fitted: Names of the first and the last span that was fitted on.
        judged: Of those that were predicted.
    """

    classes: tuple[Json, ...]
    fitted: tuple[str, str]
    judged: tuple[str, str]


def write_predictions(folder: Path, scores: Floats, about: PredictionsAbout) -> None:
    """Write both files into a folder that exists."""
    data = io.BytesIO()
    np.save(data, scores, allow_pickle=False)
    (folder / SCORES_FILE).write_bytes(data.getvalue())
    document: dict[str, Json] = {name: list(value) for name, value in asdict(about).items()}
    (folder / ABOUT_FILE).write_bytes(canonical_json(document))


def read_predictions(folder: Path) -> tuple[Floats, PredictionsAbout]:
    """The scores of a folder, and what they are of.

    Raises:
        ArtifactMissing: A file is not there.
        ArtifactCorrupt: It is something else.
    """
    data = read_payload(folder / SCORES_FILE, "predictions")
    document = read_payload(folder / ABOUT_FILE, "what predictions are of")
    try:
        scores = np.load(io.BytesIO(data), allow_pickle=False)
        found = json.loads(document)
        about = PredictionsAbout(**{name: tuple(found[name]) for name in ("classes", "fitted", "judged")})
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(
            f"predictions cannot be read: {quoted(str(error))}", where=str(folder), next_step="run the pipeline again"
        ) from error
    return np.asarray(scores, dtype=np.float64), about
