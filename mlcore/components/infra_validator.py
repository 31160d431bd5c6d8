"""A model on rows that come after those it was trained on, beside the champion of its time; and the gates' verdict."""

from __future__ import annotations

from collections.abc import Mapping

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import ArtifactType, Json


class InfraValidator(Component):
    """TODO"""

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "baseline": ArtifactType.MODEL,
    }
    outputs = {"blessing": ArtifactType.BLESSING}

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {}

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        raise NotImplementedError
