"""Training examples and a TransformGraph to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs, Payload
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.digests import digest_json
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import Interval, iso
from mlcore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcore.training.calibrate import Calibrating
    from mlcore.training.weights import RowWeights


class Trainer(Component):
    """Fits the estimator on the window's labelled rows; what is saved is the transform and the estimator in one."""

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "transform_graph": ArtifactType.TRANSFORM_GRAPH,
        "hyper_parameters": ArtifactType.HYPER_PARAMETERS,
    }
    outputs = {"model": ArtifactType.MODEL}
    code = ("training", "transform", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "skops", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {
            "model": self.config.model.model_dump(mode="json", exclude={"tune"}),  # what it found is an input
            "label": self.config.data.label.name,
            "event_timestamp": self.config.data.event_timestamp,
            "without": list(self.without),
            "split": self.config.data.split.model_dump(mode="json"),
            "libraries": estimator_libraries(self.config),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.training.model import ModelMetadata, library_versions, save_model
        from mlcore.training.train import train
        from mlcore.transform.graph import read_graph
        from mlcore.transform.transformer import GraphTransformer

        graph, label, model = read_graph(inputs.one("transform_graph").path), self.config.data.label, self.config.model
        window = covered(inputs["examples"])
        weights, calibrating = row_weights(self.config, window), self._calibrating()
        further = [calibrating.timestamp] if calibrating else []
        params = {**model.params, **self._tuned(inputs)}
        trained = train(
            read_training_rows(self.config, inputs.paths("examples"), [*graph.training_contract, *further]),
            GraphTransformer.of(graph),
            label=label.name,
            estimator=model.estimator,
            params=params,
            weights=weights,
            calibrating=calibrating,
        )
        metadata = ModelMetadata(
            feature_names=graph.feature_names,
            label=label.name,
            classes=trained.classes,
            estimator=model.estimator,
            params=params,
            libraries=library_versions(model.estimator),
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

    def _tuned(self, inputs: Inputs) -> Mapping[str, Json]:
        from mlcore.training.tune import read_tuned

        found = inputs.optional("hyper_parameters") if "hyper_parameters" in inputs else None
        return {} if found is None else read_tuned(found.path).params

    def _calibrating(self) -> Calibrating | None:
        from mlcore.training.calibrate import Calibrating

        given = self.config.model.calibration
        if given is None:
            return None
        return Calibrating(method=given.method, share=given.share, timestamp=self.config.data.event_timestamp)

    def summary(self, outputs: Inputs) -> str:
        model = outputs.one("model").artifact
        return f"{model.properties['rows']} rows, model {model.digest.removeprefix('sha256:')[:12]}"


def estimator_libraries(config: PipelineConfig) -> dict[str, Json]:
    """Name and version of an estimator's own library: with another version another model is fitted."""
    from mlcore.training.model import distributions_of, library_versions

    estimator = config.model.estimator
    versions = library_versions(estimator)
    return {name: versions[name] for name in distributions_of(estimator)}


def row_weights(config: PipelineConfig, window: Interval) -> RowWeights | None:
    """How much rows of a window count, if not equally."""
    from mlcore.training.weights import RowWeights

    given = config.model.weights
    if given is None:
        return None
    return RowWeights(
        column=given.column,
        half_life=given.half_life,
        timestamp=config.data.event_timestamp,
        end=window.end,
        classes=given.classes,
    )


def read_training_rows(config: PipelineConfig, examples: Sequence[Path], columns: Sequence[str]) -> pa.Table:
    """Some columns of rows to fit on, their label, and what their weights are made from."""
    from mlcore.ingest.examples import read_examples

    weights = config.model.weights
    timestamp = config.data.event_timestamp if weights and weights.half_life else None
    further = [weights.column if weights else None, timestamp, config.data.label.name]
    return read_examples(examples, list(dict.fromkeys([*columns, *filter(None, further)])))


def covered(examples: Sequence[Payload]) -> Interval:
    """The interval from the first to the last span of some inputs."""
    spans = [payload.artifact.span for payload in examples if payload.artifact.span is not None]
    if not spans:
        raise DataError("there are no spans to read", next_step="choose a window with at least one span")
    return Interval(start=min(span.start for span in spans), end=max(span.end for span in spans))
