"""A model on rows that come after those it was trained on, beside the champion of its time; and the gates' verdict."""

from __future__ import annotations

from collections.abc import Mapping

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.components.trainer import covered
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso

GATE = "evaluation"


class Evaluator(Component):
    """Measures the model with intervals, overall and by slice, and compares it with the champion on the same rows."""

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "baseline": ArtifactType.MODEL,
    }
    outputs = {"evaluation": ArtifactType.EVALUATION, "blessing": ArtifactType.BLESSING}
    code = ("evaluation", "training", "transform", "components.scoring", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "pyarrow")

    @property
    def parameters(self) -> Mapping[str, Json]:
        data = self.config.data
        return {
            "evaluation": self.config.evaluation.model_dump(mode="json"),
            "label": data.label.name,
            "event_timestamp": data.event_timestamp,
            "without": list(self.without),
        }

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.components.scoring import read_judged, score
        from mlcore.evaluation.blessing import Blessing, write_blessing
        from mlcore.evaluation.compare import compare
        from mlcore.evaluation.evaluate import evaluate
        from mlcore.evaluation.files import write
        from mlcore.evaluation.gates import decide

        model, baseline = inputs.one("model"), inputs.optional("baseline")
        judged = read_judged(self.config, inputs.paths("examples"))
        config = self.config.evaluation
        scores = score(model.path, judged.rows)
        evaluation = evaluate(judged.labels, scores, columns=judged.rows, config=config, clusters=judged.days)
        comparison = None
        if baseline is not None:
            theirs = score(baseline.path, judged.rows)
            comparison = compare(
                judged.labels, scores, theirs, columns=judged.rows, config=config, clusters=judged.days
            )
        verdict = decide(config.validation_criteria, evaluation, comparison)
        write(outputs["evaluation"].path, evaluation, comparison)
        blessing = Blessing(
            model_digest=model.artifact.digest, gate=GATE, blessed=verdict.blessed, reasons=verdict.reasons
        )
        write_blessing(outputs["blessing"].path, blessing)
        first = config.metrics[0]
        value = evaluation.overall.metrics.get(first)
        window = covered(inputs["examples"])
        outputs["evaluation"].properties.update(
            headline=f"{first} {value}" if value else f"{first} unknown",
            rows=evaluation.overall.rows,
            start=iso(window.start),
            end=iso(window.end),
            without=list(self.without),
            baseline=None if baseline is None else baseline.artifact.id,
        )
        outputs["blessing"].properties.update(gate=GATE, blessed=verdict.blessed, reasons=list(verdict.reasons))

    def summary(self, outputs: Inputs) -> str:
        blessed = outputs.one("blessing").artifact.properties["blessed"]
        return f"{outputs.one('evaluation').artifact.properties['headline']}, {'blessed' if blessed else 'not blessed'}"
