"""Several candidates to the one that goes to the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlcore.components.backtest import divided
from mlcore.components.base import Component, Inputs, Outputs
from mlcore.core.types import Artifact, ArtifactType, Json
from mlcore.core.window import iso
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from mlcore.evaluation.rows import About
    from mlcore.evaluation.sample import Floats
    from mlcore.evaluation.selection import Choice


def model_key(candidate: str) -> str:
    """Name of the input, and of the output, that is a candidate's model."""
    return f"candidate_{candidate}"


def predictions_key(candidate: str) -> str:
    """Name of the input that is what a candidate said of the rows held back."""
    return f"predictions_{candidate}"


class ModelSelector(Component):
    """Chooses the candidate that was best on the newest spans of the training window, fitted without them.

    The constant prediction is always among them: where none is better, none may be pushed. The chosen model is passed
    on as the output ``model``, and every one under its own name; each stays what its Trainer made.
    """

    inputs = {"examples": ArtifactType.EXAMPLES}
    outputs = {"selection": ArtifactType.SELECTION}
    code = (
        "evaluation", "accumulators", "components.backtest", "components.scoring", "ingest.examples",
        "config.candidates", "core.window",
    )  # fmt: skip
    libraries = ("numpy", "scipy", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        from mlcore.components.evaluator import own_metrics

        data, asked = self.config.data, self.config.evaluation
        metric = self.config.selection.metric
        return {
            "candidates": list(self.config.models),
            "selection": self.config.selection.model_dump(mode="json"),
            "evaluation": asked.model_dump(mode="json", include={"metrics", "weight", "cluster", "query"}),
            "label": data.label.model_dump(mode="json"),
            "task": data.task,
            "key": list(data.key),
            "event_timestamp": data.event_timestamp,
            "without": list(self.without),
            "own_metrics": own_metrics((*asked.metrics_of(data.task), *([metric] if metric else []))),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.candidates import write_choice

        choice = self._choose(inputs)
        _, judged = divided(self.config, inputs["examples"])
        spans = [payload.artifact.span for payload in judged if payload.artifact.span]
        write_choice(outputs["selection"].path, choice)
        outputs["selection"].properties.update(
            chosen=choice.chosen,
            metric=choice.metric,
            beats_dummy=choice.beats_dummy,
            reason=choice.reason,
            start=iso(spans[0].start),
            end=iso(spans[-1].end),
        )

    def passed_on(self, inputs: Inputs, outputs: Outputs) -> Mapping[str, Sequence[Artifact]]:
        """The chosen model, and all of them."""
        models = {name: inputs.one(model_key(name)).artifact for name in self.config.models}
        chosen = models[str(outputs["selection"].properties["chosen"])]
        return {"model": [chosen], **{model_key(name): [model] for name, model in models.items()}}

    def _choose(self, inputs: Inputs) -> Choice:
        import numpy as np

        from mlcore.components.scoring import described, read_judged
        from mlcore.evaluation.dummy import dummy_scores
        from mlcore.evaluation.predictions import read_predictions
        from mlcore.evaluation.selection import select
        from mlcore.evaluation.task import Task
        from mlcore.ingest.examples import read_examples

        fitted, judged = divided(self.config, inputs["examples"])
        rows = read_judged(self.config, [payload.path for payload in judged])
        found = {name: read_predictions(inputs.one(predictions_key(name)).path) for name in self.config.models}
        task = Task(self.config.data.task)
        classes: list[Json] = []
        if task is Task.MULTICLASS:
            there = {value for _, about in found.values() for value in about.classes}
            classes = sorted({*there, *rows.labels.unique().to_pylist()}, key=lambda value: (str(type(value)), value))
        scores = {name: _aligned(each, about.classes, classes) for name, (each, about) in found.items()}
        short = [name for name, each in scores.items() if len(each) != rows.rows.num_rows]
        if short:
            raise MlcoreError(f"the scores of {short[0]} are of other rows than those held back")
        label = self.config.data.label.name
        known = read_examples([payload.path for payload in fitted], [label])[label]
        constant = dummy_scores(known, rows.rows.num_rows, task=task, classes=classes)
        about: About = described(self.config, rows, classes)
        return select(
            rows.labels,
            scores,
            np.ascontiguousarray(constant),
            metric=self.config.selection.metric,
            columns=rows.rows,
            config=self.config.evaluation,
            **about,
        )

    def summary(self, outputs: Inputs) -> str:
        found = outputs.one("selection").artifact.properties
        if not found["beats_dummy"]:
            return f"none: {found['chosen']} is the best, and no better than a constant prediction"
        return f"{found['chosen']} of {len(self.config.models)} by {found['metric']}"


def _aligned(scores: Floats, have: Sequence[Json], classes: Sequence[Json]) -> Floats:
    """A column a class, 0 for one that the rows fitted on did not have; scores that are no shares as they are."""
    import numpy as np

    if scores.ndim == 1:
        return scores
    aligned = np.zeros((len(scores), len(classes)))
    for place, value in enumerate(have):
        aligned[:, classes.index(value)] = scores[:, place]
    return aligned
