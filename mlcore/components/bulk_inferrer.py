"""Examples to Predictions, a span at a time: each is scored once for every content it has and every model.

    predictions/
    └── part-00000.parquet    key, event timestamp, what to keep, the model's answers; more parts of long spans

Of rows that are split by other things than time there are files ``train-...`` and ``evaluation-...``: all are scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mlcore.components.base import Known, SpanComponent, SpanTask, split_folders
from mlcore.components.example_gen import ExampleGen
from mlcore.config.inference import Inference
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.folders import split_path
from mlcore.core.types import ArtifactType, Json
from mlcore.errors import ConfigError

MODEL = "model"
EXAMPLES_DIGEST = "examples_digest"
"""Property of predictions: what was predicted."""
PREFIX = "part"


class InferenceExampleGen(ExampleGen):
    """Reads each span of ``inference.source`` once: the columns of ``data.columns``, typed; no outcome."""

    output = ArtifactType.INFERENCE_EXAMPLES
    code = (*ExampleGen.code, "components.example_gen")
    labelled = False

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {key: value for key, value in super().parameters.items() if key != "label"}


class BulkInferrer(SpanComponent):
    """Scores the rows of each span with a released model, as one Beam job over all spans that are new.

    Attributes:
        version: The model's number in the registry, told with every prediction.
    """

    input = ArtifactType.EXAMPLES
    output = ArtifactType.PREDICTIONS
    code: ClassVar[tuple[str, ...]] = (
        "inference.bulk",
        "inference.scorer",
        "beam.convert",
        "training.model",
        "training.predict",
        "training.intervals",
        "transform",
        "ingest.examples",
    )
    libraries = ("pyarrow", "numpy", "scikit-learn")

    def __init__(self, config: PipelineConfig) -> None:
        super().__init__(config)
        self.version = 0

    def learn(self, known: Known) -> None:
        if known.baseline is not None:
            self.version = known.baseline.version

    @property
    def parameters(self) -> Mapping[str, Json]:
        return {
            "columns": list(self._carried),
            "confidence": self._asked.confidence,
            "model_version": self.version,
            "folders": list(split_folders(self.config.data.split)),
        }

    @property
    def _asked(self) -> Inference:
        if self.config.inference is None:
            raise ConfigError(f"pipeline {self.config.name} has no inference block")
        return self.config.inference

    @property
    def _carried(self) -> tuple[str, ...]:
        data = self.config.data
        return tuple(dict.fromkeys((*data.key, data.event_timestamp, *self._asked.keep)))

    def run(self, tasks: Sequence[SpanTask]) -> None:
        from mlcore.beam.convert import Source
        from mlcore.inference.bulk import Scoring, predict_files
        from mlcore.inference.predictions import count
        from mlcore.ingest.examples import FILE_NAME

        (model,) = tasks[0].shared[MODEL]
        scoring = Scoring(
            model=str(model.path), version=self.version, carried=self._carried, confidence=self._asked.confidence
        )
        sources = [
            Source(
                path=str(split_path(task.source.path, folder) / FILE_NAME),
                folder=str(task.output.path),
                prefix=PREFIX if folder == "." else folder,
            )
            for task in tasks
            for folder in split_folders(self.config.data.split)
        ]
        predict_files(sources, scoring, engine=self.config.beam)
        for task in tasks:
            task.output.properties.update(
                rows=count(task.output.path),
                model=model.artifact.id,
                model_digest=model.artifact.digest,
                model_version=self.version,
                **{EXAMPLES_DIGEST: task.source.artifact.digest},
            )
