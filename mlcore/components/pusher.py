"""A model with its blessings to the champion alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.digests import canonical_json
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import parse_moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

FILE_NAME = "push.json"


class Pusher(Component):
    """Moves the champion alias to a model that every gate blessed, in the transaction that records the push."""

    inputs = {
        "model": ArtifactType.MODEL,
        "evaluation": ArtifactType.EVALUATION,
        "evaluation_blessing": ArtifactType.BLESSING,
        "infra_blessing": ArtifactType.BLESSING,
    }
    outputs = {"push": ArtifactType.PUSHED_MODEL}
    code = ("deployment", "evaluation", "registry", "components.blessings")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {"force_push": self.request.force_push}

    @property
    def cacheable(self) -> bool:
        """A forced push is an act, not a computation: it is done as often as it is asked for."""
        return not self.request.force_push

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        raise NotImplementedError
