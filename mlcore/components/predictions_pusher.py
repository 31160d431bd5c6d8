"""Predictions to where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Known, Outputs
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import canonical_json
from mlcore.core.request import RunRequest
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.inference.destinations.delivery import Delivered

FILE_NAME = "delivery.json"


class PredictionsPusher(Component):
    """Delivers the Predictions of a run to ``inference.destinations``: those of each span whole, or not at all.

    It is done again in every run, though nothing was scored anew: who reads a destination may have changed it, and a
    run that was killed may not have come so far. What a run of a later moment delivered of a span stays.

    Attributes:
        project: Where relative paths start.
        variables: What ``${NAME}`` in addresses stands for.
    """

    inputs = {"predictions": ArtifactType.PREDICTIONS}
    outputs = {"delivery": ArtifactType.PUSHED_PREDICTIONS}
    code = ("inference",)
    alone = True  # or a run of the past could write last what it saw nothing newer of

    def __init__(self, config: PipelineConfig, request: RunRequest) -> None:
        super().__init__(config, request)
        self.project = Path()
        self.variables: Mapping[str, str] = {}

    def learn(self, known: Known) -> None:
        self.project, self.variables = known.project, known.variables

    @property
    def cacheable(self) -> bool:
        return False

    @property
    def parameters(self) -> Mapping[str, Json]:
        asked = self.config.inference
        return {"destinations": [one.type for one in asked.destinations] if asked else []}

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.inference.destinations.delivery import Delivery, SpanPredictions, deliver

        assert self.config.inference is not None  # the graph is of a pipeline that has it
        spans = [
            SpanPredictions(span=payload.artifact.span, folder=payload.path)
            for payload in inputs["predictions"]
            if payload.artifact.span is not None
        ]
        done = [
            deliver(
                destination,
                Delivery(
                    spans=spans,
                    moment=self.config.data.event_timestamp,
                    as_of=self.request.as_of,
                    project=self.project,
                    variables=self.variables,
                    where=f"inference.destinations.{index}",
                ),
            )
            for index, destination in enumerate(self.config.inference.destinations)
        ]
        found: list[Json] = [_told(one) for one in done]
        document: dict[str, Json] = {
            "as_of": iso(self.request.as_of),
            "spans": [one.span.label for one in spans],
            "predictions": [payload.artifact.digest for payload in inputs["predictions"]],
            "destinations": found,
        }
        (outputs["delivery"].path / FILE_NAME).write_bytes(canonical_json(document))
        outputs["delivery"].properties.update(destinations=found)

    def summary(self, outputs: Inputs) -> str:
        found = outputs.one("delivery").artifact.properties["destinations"]
        return "; ".join(_in_words(one) for one in found if isinstance(one, dict)) if isinstance(found, list) else ""


def _told(one: Delivered) -> dict[str, Json]:
    return {"place": one.place, "rows": one.rows, "left": list(one.left)}


def _in_words(one: Mapping[str, Json]) -> str:
    left = one["left"]
    beside = f", {len(left)} spans have newer ones" if isinstance(left, list) and left else ""
    return f"{one['rows']} rows in {one['place']}{beside}"
