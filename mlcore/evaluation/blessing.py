"""The payload of a Blessing artifact.

blessing/
└── blessing.json    the model's digest, the gate, the verdict and why
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mlcore.core.digests import canonical_json, is_digest
from mlcore.errors import ArtifactCorrupt, ArtifactMissing, MlcoreError, quoted

FILE_NAME = "blessing.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Blessing:
    """A gate's verdict on one model, bound to its content."""

    model_digest: str
    gate: str
    blessed: bool
    reasons: tuple[str, ...]

    def __post_init__(self) -> None:
        if not is_digest(self.model_digest):
            raise MlcoreError(f"a blessing needs a model's digest, not {quoted(self.model_digest)}")


def write_blessing(folder: Path, blessing: Blessing) -> None:
    """Write ``blessing.json`` into a folder that exists."""
    document = canonical_json(
        {
            "model_digest": blessing.model_digest,
            "gate": blessing.gate,
            "blessed": blessing.blessed,
            "reasons": list(blessing.reasons),
        }
    )
    (folder / FILE_NAME).write_bytes(document)


def read_blessing(folder: Path) -> Blessing:
    """The blessing of a folder.

    Raises:
        ArtifactMissing: The file is not there.
        ArtifactCorrupt: The file is something else.
    """
    path = folder / FILE_NAME
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document["blessed"], bool):
            raise TypeError("blessed is neither true nor false")
        return Blessing(
            model_digest=document["model_digest"],
            gate=document["gate"],
            blessed=document["blessed"],
            reasons=tuple(document["reasons"]),
        )
    except OSError as error:
        raise ArtifactMissing(
            f"cannot open a blessing: {error.strerror or error}", where=str(path), next_step="run the gate again"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, MlcoreError) as error:
        raise ArtifactCorrupt(
            f"a blessing cannot be read: {quoted(str(error))}", where=str(path), next_step="run the gate again"
        ) from error
