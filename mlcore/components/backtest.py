"""A candidate fitted without the newest part of the training window, and its scores of that part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Output, Outputs, Payload
from mlcore.components.trainer import Trainer
from mlcore.config.pipeline import PipelineConfig
from mlcore.core.temporary import temporary_folder
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import held_back
from mlcore.errors import DataError

if TYPE_CHECKING:
    from mlcore.transform.graph import TransformGraph


class Backtest(Component):
    """Does what the Trainer does on the older spans of the training window, transform and all, and scores the newest.

    What it fits is thrown away: the scores are what candidates are compared by.
    """

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "states": ArtifactType.ANALYZER_STATE,
        "hyper_parameters": ArtifactType.HYPER_PARAMETERS,
    }
    outputs = {"predictions": ArtifactType.PREDICTIONS}
    code = (
        *Trainer.code, "accumulators", "components.trainer", "components.merging", "components.scoring",
        "evaluation.predictions", "config.candidates", "core.window",
    )  # fmt: skip
    libraries = Trainer.libraries

    @property
    def parameters(self) -> Mapping[str, Json]:
        features: dict[str, Json] = {
            name: feature.model_dump(mode="json", exclude={"doc", "owner"})
            for name, feature in self.config.features.items()
        }
        return {
            **self._trainer.parameters,
            "features": features,
            "order": list(features),  # JSON keeps no order of keys
            "held_back": self.config.selection.held_back,
            "label_delay": self.config.data.label.delay.total_seconds(),
            "task": self.config.data.task,
        }

    @property
    def _trainer(self) -> Trainer:
        trainer = Trainer(self.config, self.request)
        trainer.without = self.without
        return trainer

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.scoring import read_judged, score
        from mlcore.evaluation.predictions import PredictionsAbout, write_predictions
        from mlcore.training.model import read_metadata
        from mlcore.transform.graph import write_graph

        fitted, judged = divided(self.config, inputs["examples"])
        with temporary_folder("backtest") as folder:
            graph, model = Path(folder, "transform_graph"), Path(folder, "model")
            graph.mkdir()
            model.mkdir()
            write_graph(graph, self._fit_transform(inputs, fitted))
            # The Trainer asks for a graph's files alone: one that is not recorded stands beside the last span's state.
            unrecorded = Payload(artifact=inputs["states"][-1].artifact, path=graph)
            found = {"hyper_parameters": inputs["hyper_parameters"]} if "hyper_parameters" in inputs else {}
            readable = Inputs({"examples": fitted, "transform_graph": [unrecorded], **found}, inputs.blocks)
            self._trainer.run(readable, {"model": Output(path=model)})
            rows = read_judged(self.config, [payload.path for payload in judged]).rows
            scores, classes = score(model, rows), read_metadata(model).classes
        about = PredictionsAbout(classes=classes, fitted=_ends(fitted), judged=_ends(judged))
        write_predictions(outputs["predictions"].path, scores, about)
        outputs["predictions"].properties.update(rows=len(scores), fitted=list(about.fitted), judged=list(about.judged))

    def _fit_transform(self, inputs: Inputs, fitted: Sequence[Payload]) -> TransformGraph:
        from mlcore.components.merging import merged_states
        from mlcore.transform.fitting import fit
        from mlcore.transform.specs import specs_of

        spans = {payload.artifact.span for payload in fitted}
        states = [payload for payload in inputs["states"] if payload.artifact.span in spans]
        merged = merged_states(Inputs({"states": states}, inputs.blocks), "states", self.config.data.span)
        return fit(specs_of(self.config), merged)

    def summary(self, outputs: Inputs) -> str:
        found = outputs.one("predictions").artifact.properties
        return f"{found['rows']} rows held back"


def divided(config: PipelineConfig, examples: Sequence[Payload]) -> tuple[list[Payload], list[Payload]]:
    """The training examples that candidates are fitted on to be compared, and those they are compared on.

    Raises:
        WindowError: There are too few spans.
    """
    spans = [payload.artifact.span for payload in examples if payload.artifact.span]
    if not spans:
        raise DataError("there are no spans to train on", next_step="choose a longer window.train")
    embargo = -(-config.data.label.delay // (spans[0].end - spans[0].start))
    fitted, judged = held_back(len(examples), config.selection.held(len(examples)), embargo)
    return [examples[place] for place in fitted], [examples[place] for place in judged]


def _ends(examples: Sequence[Payload]) -> tuple[str, str]:
    labels = [payload.artifact.span.label for payload in examples if payload.artifact.span]
    return labels[0], labels[-1]
