"""Training examples and a TransformGraph to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.core.digests import digest_json
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import Interval, iso
from mlcore.errors import DataError

if TYPE_CHECKING:
    from mlcore.training.calibrate import Calibrating
    from mlcore.training.weights import RowWeights


class Trainer(Component):
    """Fits the estimator on the window's labelled rows; what is saved is the transform and the estimator in one."""

    inputs = {"examples": ArtifactType.EXAMPLES, "transform_graph": ArtifactType.TRANSFORM_GRAPH}
    outputs = {"model": ArtifactType.MODEL}
    code = ("training", "transform", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "skops", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {
            "model": self.config.model.model_dump(mode="json"),
            "label": self.config.data.label.name,
            "event_timestamp": self.config.data.event_timestamp,
            "without": list(self.without),
            "split": self.config.data.split.model_dump(mode="json"),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.ingest.examples import read_examples
        from mlcore.training.model import ModelMetadata, save_model
        from mlcore.training.train import train
        from mlcore.transform.graph import read_graph
        from mlcore.transform.transformer import GraphTransformer

        graph, label, model = read_graph(inputs.one("transform_graph").path), self.config.data.label, self.config.model
        window = covered(inputs["examples"])
        weights, calibrating = self._weights(window), self._calibrating()
        further = (*(weights.columns if weights else ()), *([calibrating.timestamp] if calibrating else []))
        columns = list(dict.fromkeys([*graph.training_contract, label.name, *further]))
        trained = train(
            read_examples(inputs.paths("examples"), columns),
            GraphTransformer.of(graph),
            label=label.name,
            estimator=model.estimator,
            params=model.params,
            weights=weights,
            calibrating=calibrating,
        )
        metadata = ModelMetadata(
            feature_names=graph.feature_names,
            label=label.name,
            classes=trained.classes,
            estimator=model.estimator,
            params=model.params,
            rows=trained.rows,
            unlabelled=trained.unlabelled,
            train_start=iso(window.start),
            train_end=iso(window.end),
        )
        save_model(outputs["model"].path, trained.pipeline, graph.to_json(), metadata)
        outputs["model"].properties.update(
            rows=trained.rows,
            train_start=metadata.train_start,
            train_end=metadata.train_end,
            without=list(self.without),
            split=digest_json(self.config.data.split.model_dump(mode="json")),
        )

    def _weights(self, window: Interval) -> RowWeights | None:
        from mlcore.training.weights import RowWeights

        given = self.config.model.weights
        if given is None:
            return None
        return RowWeights(
            column=given.column,
            half_life=given.half_life,
            timestamp=self.config.data.event_timestamp,
            end=window.end,
            classes=given.classes,
        )

    def _calibrating(self) -> Calibrating | None:
        from mlcore.training.calibrate import Calibrating

        given = self.config.model.calibration
        if given is None:
            return None
        return Calibrating(method=given.method, share=given.share, timestamp=self.config.data.event_timestamp)

    def summary(self, outputs: Inputs) -> str:
        model = outputs.one("model").artifact
        return f"{model.properties['rows']} rows, model {model.digest.removeprefix('sha256:')[:12]}"


def covered(examples: tuple[Payload, ...]) -> Interval:
    """The interval from the first to the last span of some inputs."""
    spans = [payload.artifact.span for payload in examples if payload.artifact.span is not None]
    if not spans:
        raise DataError("there are no spans to read", next_step="choose a window with at least one span")
    return Interval(start=min(span.start for span in spans), end=max(span.end for span in spans))
