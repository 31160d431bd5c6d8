"""A model on rows that come after those it was trained on, beside the champion of its time; and the gates' verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcore.components.base import Component, Inputs, Outputs
from mlcore.components.trainer import covered
from mlcore.core.types import ArtifactType, Json
from mlcore.core.window import iso

if TYPE_CHECKING:
    from mlcore.evaluation.files import Judgement

GATE = "evaluation"


class Evaluator(Component):
    """Measures the model with intervals, overall and by slice, and compares it with the champion on the same rows.

    Where there is no champion it is compared with the prediction that is the same for every row.

    Attributes:
        earlier_tests: How many challengers of other windows were tested against this champion before: the launcher
            knows. The more there were, the surer a criterion of superiority must be.
    """

    inputs = {
        "examples": ArtifactType.EXAMPLES,
        "training": ArtifactType.EXAMPLES,
        "model": ArtifactType.MODEL,
        "baseline": ArtifactType.MODEL,
    }
    outputs = {"evaluation": ArtifactType.EVALUATION, "blessing": ArtifactType.BLESSING}
    code = ("evaluation", "accumulators", "training", "transform", "components.scoring", "ingest.examples")
    libraries = ("scikit-learn", "numpy", "scipy", "pyarrow")
    earlier_tests: int = 0

    @property
    def parameters(self) -> Mapping[str, Json]:
        data = self.config.data
        return {
            "evaluation": self.config.evaluation.model_dump(mode="json"),
            "label": data.label.name,
            "task": data.task,
            "key": list(data.key),
            "event_timestamp": data.event_timestamp,
            "without": list(self.without),
            "earlier_tests": self.earlier_tests,
            "own_metrics": self._own_metrics(),
        }

    def _own_metrics(self) -> dict[str, Json]:
        from mlcore.evaluation.metrics import UserMetric, find_metric

        found = map(find_metric, self.config.evaluation.metrics)
        return {metric.name: metric.source_digest for metric in found if isinstance(metric, UserMetric)}

    def run(self, inputs: Inputs, outputs: Outputs) -> None:
        from mlcore.evaluation.blessing import Blessing, write_blessing
        from mlcore.evaluation.files import write
        from mlcore.evaluation.metrics import find_metric

        model, baseline = inputs.one("model"), inputs.optional("baseline")
        judgement = self._judge(inputs)
        verdict, overall = judgement.verdict, judgement.evaluation.overall
        assert verdict is not None
        write(outputs["evaluation"].path, judgement)
        blessing = Blessing(
            model_digest=model.artifact.digest, gate=GATE, blessed=verdict.blessed, reasons=verdict.reasons
        )
        write_blessing(outputs["blessing"].path, blessing)
        first = find_metric(self.config.evaluation.metrics_of(self.config.data.task)[0]).spec
        value = overall.metrics.get(first)
        window = covered(inputs["examples"])
        outputs["evaluation"].properties.update(
            headline=f"{first} {value}" if value else f"{first} unknown",
            rows=overall.rows,
            start=iso(window.start),
            end=iso(window.end),
            without=list(self.without),
            baseline=None if baseline is None else baseline.artifact.id,
        )
        outputs["blessing"].properties.update(gate=GATE, blessed=verdict.blessed, reasons=list(verdict.reasons))

    def _judge(self, inputs: Inputs) -> Judgement:
        from mlcore.components.scoring import about, read_judged, score
        from mlcore.evaluation.dummy import dummy_scores
        from mlcore.evaluation.judge import judge
        from mlcore.evaluation.task import Task
        from mlcore.ingest.examples import read_examples

        model, baseline = inputs.one("model"), inputs.optional("baseline")
        judged = read_judged(self.config, inputs.paths("examples"))
        known = about(self.config, judged, model.path)
        if baseline is not None:
            others, is_champion = score(baseline.path, judged.rows), True
        else:
            label = self.config.data.label.name
            trained = read_examples(inputs.paths("training"), [label])[label]
            task, classes = known.get("task", Task.BINARY), known.get("classes", ())
            others, is_champion = dummy_scores(trained, judged.rows.num_rows, task=task, classes=classes), False
        return judge(
            judged.labels,
            score(model.path, judged.rows),
            others,
            columns=judged.rows,
            config=self.config.evaluation,
            is_champion=is_champion,
            earlier_tests=self.earlier_tests,
            **known,
        )

    def summary(self, outputs: Inputs) -> str:
        blessed = outputs.one("blessing").artifact.properties["blessed"]
        return f"{outputs.one('evaluation').artifact.properties['headline']}, {'blessed' if blessed else 'not blessed'}"
